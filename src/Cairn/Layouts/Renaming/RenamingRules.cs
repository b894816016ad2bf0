using System.Text.Json;
using System.Text.Json.Nodes;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.Renaming;

/// <summary>
/// Rules that turn the names of one family of models into those of another, fused matrices included. They come from a small JSON file:
/// <code>
/// {
///   "about": "What it is for.",
///   "parameters": { "heads": ["num_attention_heads"] },
///   "rules": [
///     { "from": "tok_embeddings.weight", "to": "model.embed_tokens.weight" },
///     { "from": "layers.{n}.wqkv.{p}", "to": ["layers.{n}.q.{p}", "layers.{n}.k.{p}", "layers.{n}.v.{p}"], "how": "split-grouped-qkv" }
///   ]
/// }
/// </code>
/// The first rule that fits a name is taken. <c>docs/formats.md</c> describes all fields.
/// </summary>
internal sealed class RenamingRules
{
    private const int LargestFile = 1 << 20;
    private const int MaxDepth = 8;

    private RenamingRules(string name, string about, IReadOnlyDictionary<string, IReadOnlyList<string>> parameters, IReadOnlyList<RenamingRule> rules, JsonObject? config) =>
        (Name, About, Parameters, Rules, Config) = (name, about, parameters, rules, config);

    /// <summary>The name of a ready file, or the path of the user's.</summary>
    public string Name { get; }
    /// <summary>What the rules are for.</summary>
    public string About { get; }

    /// <summary>For each parameter the names under which configurations have it, the parameter's own first.</summary>
    internal IReadOnlyDictionary<string, IReadOnlyList<string>> Parameters { get; }
    internal IReadOnlyList<RenamingRule> Rules { get; }
    /// <summary>What changes in <c>config.json</c>, as a JSON Merge Patch.</summary>
    internal JsonObject? Config { get; }

    /// <summary>The names of the ready files.</summary>
    public static IReadOnlyList<string> Ready { get; } = ["internlm-to-llama", "internlm2-to-llama", "llama-to-internlm2"];

    /// <summary>A ready file by name, or a file by path.</summary>
    /// <exception cref="RenamingException">It is malformed.</exception>
    /// <exception cref="CheckpointException">There is neither.</exception>
    public static RenamingRules Load(string nameOrPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(nameOrPath);
        if (Ready.Contains(nameOrPath, StringComparer.Ordinal))
        {
            using Stream stream = typeof(RenamingRules).Assembly.GetManifestResourceStream($"Cairn.Renaming.{nameOrPath}.json")
                ?? throw new InvalidOperationException($"The rules {nameOrPath} are not in the library.");
            using var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            return Parse(bytes.ToArray(), nameOrPath);
        }
        if (!File.Exists(nameOrPath))
            throw new CheckpointException($"There are no rules '{nameOrPath}'. Give a file, or one of: {string.Join(", ", Ready)}.") { Path = nameOrPath };
        try
        {
            return Parse(NamedInput.Read(nameOrPath, LargestFile), nameOrPath);
        }
        catch (IOException e)
        {
            throw Bad(nameOrPath, e.Message);
        }
    }

    /// <summary>Reads rules from JSON. Comments and commas at the end are allowed.</summary>
    /// <exception cref="RenamingException">They are malformed.</exception>
    public static RenamingRules Parse(ReadOnlyMemory<byte> json, string name)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = MaxDepth, CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            JsonElement root = document.RootElement;
            foreach (JsonProperty property in root.EnumerateObject())
            {
                if (property.Name is not ("about" or "parameters" or "rules" or "config"))
                    throw new FormatException($"'{property.Name}' is not known; there are about, parameters, rules and config");
            }
            var parameters = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
            if (root.TryGetProperty("parameters", out JsonElement given))
            {
                foreach (JsonProperty parameter in given.EnumerateObject())
                    parameters[parameter.Name] = [parameter.Name, .. Texts(parameter.Value)];
            }
            return new RenamingRules(
                name, root.TryGetProperty("about", out JsonElement about) ? about.GetString() ?? "" : "", parameters, [.. root.GetProperty("rules").EnumerateArray().Select(Rule)],
                root.TryGetProperty("config", out JsonElement config) ? JsonObject.Create(config.Clone()) ?? throw new FormatException("'config' is no object") : null);
        }
        catch (Exception e) when (Checkpoints.RunFolder.IsMalformed(e))
        {
            throw Bad(name, e.Message.TrimEnd('.'), e);
        }
    }

    /// <summary>The map under its new names. Tensors are seen through views; none is read.</summary>
    /// <param name="model">A flat map of tensors.</param>
    /// <param name="parameters">Numbers of heads and what else the rules need.</param>
    /// <param name="strict">Whether a name that no rule fits is an error; else it stays as it is.</param>
    /// <exception cref="RenamingException">The rules do not fit the map.</exception>
    public StateMap Apply(StateMap model, RenamingParameters parameters, bool strict = true)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(parameters);
        return new RuleApplication(this, parameters, strict).Apply(model);
    }

    private static RenamingRule Rule(JsonElement json)
    {
        foreach (JsonProperty property in json.EnumerateObject())
        {
            if (property.Name is not ("from" or "to" or "how" or "dim"))
                throw new FormatException($"'{property.Name}' is not known in a rule; there are from, to, how and dim");
        }
        NamePattern[] from = [.. Texts(json.GetProperty("from")).Select(text => new NamePattern(text))];
        NamePattern[] to = json.TryGetProperty("to", out JsonElement names) ? [.. Texts(names).Select(text => new NamePattern(text))] : [];
        string how = json.TryGetProperty("how", out JsonElement said) ? said.GetString() ?? "" : "rename";
        TensorOperation operation = how switch
        {
            "rename" => TensorOperation.Rename,
            "drop" => TensorOperation.Drop,
            "split" => TensorOperation.Split,
            "concat" => TensorOperation.Concat,
            "split-grouped-qkv" => TensorOperation.SplitGroupedQkv,
            "merge-grouped-qkv" => TensorOperation.MergeGroupedQkv,
            _ => throw new FormatException($"'{how}' is no way to make a tensor; there are rename, drop, split, concat, split-grouped-qkv and merge-grouped-qkv"),
        };
        var rule = new RenamingRule(from, to, operation, json.TryGetProperty("dim", out JsonElement dimension) ? dimension.GetInt32() : 0);
        CheckCounts(rule, how);
        foreach (NamePattern pattern in to.Concat(from))
        {
            if (!pattern.Captures.ToHashSet(StringComparer.Ordinal).SetEquals(from[0].Captures) && !(to.Contains(pattern) && pattern.Captures.All(from[0].Captures.Contains)))
                throw new FormatException($"the rule {rule} does not capture the same in all its names");
        }
        return rule;
    }

    private static void CheckCounts(RenamingRule rule, string how)
    {
        bool fits = rule.Operation switch
        {
            TensorOperation.Rename => rule is { From.Count: 1, To.Count: 1 },
            TensorOperation.Drop => rule is { From.Count: 1, To.Count: 0 },
            TensorOperation.Split => rule is { From.Count: 1, To.Count: > 1, Dimension: >= 0 },
            TensorOperation.Concat => rule is { From.Count: > 1, To.Count: 1, Dimension: >= 0 },
            TensorOperation.SplitGroupedQkv => rule is { From.Count: 1, To.Count: 3 },
            _ => rule is { From.Count: 3, To.Count: 1 },
        };
        if (!fits)
            throw new FormatException($"the rule {rule} has {rule.From.Count} and {rule.To.Count} names, which '{how}' does not take");
    }

    private static string[] Texts(JsonElement json) =>
        json.ValueKind == JsonValueKind.Array ? [.. json.EnumerateArray().Select(Text)] : [Text(json)];

    private static string Text(JsonElement json) => json.GetString() is { Length: > 0 } text ? text : throw new FormatException("a name is empty");

    private static RenamingException Bad(string name, string what, Exception? cause = null) =>
        new(RenamingFault.BadRules, $"The rules '{name}' are malformed: {what}.", [], cause) { Path = name };
}
