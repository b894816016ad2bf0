using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;

namespace Cairn.Cli.Tests;

/// <summary>
/// The schemas in <c>docs/json</c> are made from the types that are printed: <c>CAIRN_UPDATE_GOLDEN=1</c> writes them anew. What the verbs print is
/// held against them, as a user's program would do.
/// </summary>
public sealed class JsonSchemaTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Verbs => [.. CommandLine.Create().Subcommands.Select(verb => verb.Name)];

    [Theory, MemberData(nameof(Verbs))]
    public void The_schema_of_every_verb_is_documented(string verb)
    {
        string made = Schema(verb).ToJsonString(new JsonSerializerOptions { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }) + "\n";
        string path = Path.Combine(Golden.Repository, "docs", "json", verb + ".schema.json");
        if (Golden.Updates)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, made);
        }
        File.Exists(path).ShouldBeTrue($"There is no {path}; set CAIRN_UPDATE_GOLDEN=1 to write it.");
        made.ShouldBe(File.ReadAllText(path), $"{path} is not that of the program; set CAIRN_UPDATE_GOLDEN=1 to write it anew.");
    }

    [Fact]
    public void What_is_printed_is_as_the_schema_says()
    {
        LiveRun.Make(_folder["run"], new CheckpointOptions { TotalSteps = 100, CheckpointEvery = 50, SnapshotEvery = 10, KeepLast = 2, Asynchronous = false }, 100, overflowAt: 30);
        string run = _folder["run"];
        Holds("ls", "ls", run);
        Holds("show", "show", run);
        Holds("stats", "stats", run);
        Holds("diff", "diff", Path.Combine(run, "50"), Path.Combine(run, "99"));
        Holds("verify", "verify", run);
        Holds("plan", "plan", "--steps", "1000", "--step-time", "1s", "--size", "1GB");
        Holds("audit", "audit", run);
        Holds("report", "report", run, "-o", _folder["report.html"]);
        Holds("export", "export", run, "--tensorboard", _folder["board"]);
        Holds("watch", "watch", run);
        Holds("prune", "prune", run, "--keep-last", "2");
        Holds("cp", "cp", run, _folder["copied"]);
        Holds("sync", "sync", run, _folder["copied"]);
        Holds("branch", "branch", run, "--from", "50");
        Holds("convert", "convert", run, _folder["model.pt"], "--layout", "torch");
        Holds("completion", "completion", "bash");
        using var live = new LiveRun(_folder["live"]);
        Holds("save", "save", live.Folder);
        Holds("stop", "stop", live.Folder);
    }

    [Fact]
    public void The_check_of_a_schema_can_fail()
    {
        JsonNode schema = Schema("plan");
        SchemaCheck.Problems(schema, JsonNode.Parse("""{"given": 3, "surprise": 1}""")).ShouldContain(problem => problem.Contains("surprise"));
        SchemaCheck.Problems(schema, JsonNode.Parse("""{"given": 3}""")).ShouldContain(problem => problem.StartsWith("/given:", StringComparison.Ordinal));
        SchemaCheck.Problems(schema, JsonNode.Parse("{}")).ShouldContain(problem => problem.Contains("Required", StringComparison.Ordinal) && problem.Contains("\"options\"", StringComparison.Ordinal));
    }

    public void Dispose() => _folder.Dispose();

    private static void Holds(string verb, params string[] arguments)
    {
        Result result = CairnCall.Run([.. arguments, "--json"]);
        result.Code.ShouldBeOneOf(ExitCode.Good, ExitCode.FoundBad);
        SchemaCheck.Problems(Schema(verb), JsonNode.Parse(result.Out)).ShouldBeEmpty($"cairn {verb}: {result.Out}");
    }

    private static JsonNode Schema(string verb)
    {
        JsonTypeInfo type = CommandLine.Verbs().First(known => known.Create().Name == verb).Result;
        JsonNode schema = type.GetJsonSchemaAsNode(new JsonSchemaExporterOptions
        {
            TreatNullObliviousAsNonNullable = true,
            TransformSchemaNode = (context, node) => Describe(context, node),
        });
        JsonObject whole = schema.AsObject();
        whole.Insert(0, "$schema", "https://json-schema.org/draft/2020-12/schema");
        whole.Insert(1, "title", $"cairn {verb} --json");
        return schema;
    }

    private static JsonNode Describe(JsonSchemaExporterContext context, JsonNode node)
    {
        if (node is not JsonObject schema)
            return node;
        // What is null is left out, so nothing is null and only what cannot be null is required.
        if (schema["type"] is JsonArray types)
        {
            string[] kept = [.. types.Select(type => type!.GetValue<string>()).Where(type => type is not ("null" or "string") || types.Count <= 2 && type == "string")];
            schema["type"] = kept.Length == 1 ? JsonValue.Create(kept[0]) : new JsonArray([.. kept.Select(type => (JsonNode?)JsonValue.Create(type))]);
        }
        if (schema["properties"] is JsonObject properties)
        {
            schema["required"] = new JsonArray([.. context.TypeInfo.Properties.Where(property => !property.IsGetNullable && (!property.PropertyType.IsGenericType || property.PropertyType.GetGenericTypeDefinition() != typeof(Nullable<>)))
                .Select(property => (JsonNode?)JsonValue.Create(property.Name)).Where(name => properties.ContainsKey(name!.GetValue<string>()))]);
            schema["additionalProperties"] = false;
        }
        return schema;
    }
}
