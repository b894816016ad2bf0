using System.Text.Json;
using System.Text.Json.Nodes;
using Json.Schema;

namespace Cairn.Cli.Tests;

/// <summary>Holds JSON against a schema.</summary>
internal static class SchemaCheck
{
    /// <summary>What is wrong, each with its place.</summary>
    public static IReadOnlyList<string> Problems(JsonNode schema, JsonNode? value)
    {
        using JsonDocument document = JsonDocument.Parse(value?.ToJsonString() ?? "null");
        EvaluationResults results = JsonSchema.FromText(schema.ToJsonString()).Evaluate(document.RootElement, new EvaluationOptions { OutputFormat = OutputFormat.List });
        return results.IsValid ? [] : [.. (results.Details ?? []).Where(found => found.Errors is not null).SelectMany(found => found.Errors!.Select(error => $"{found.InstanceLocation}: {error.Value}"))];
    }
}
