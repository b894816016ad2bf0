using System.Text.Json;
using System.Text.Json.Nodes;

namespace Cairn.Cli.Tests;

/// <summary>Holds JSON against a schema: type, properties, required, additionalProperties, items, anyOf, enum, and references within the schema.</summary>
internal static class SchemaCheck
{
    public static List<string> Problems(JsonNode schema, JsonNode? value)
    {
        List<string> problems = [];
        Check(schema, schema, value, "$", problems);
        return problems;
    }

    private static void Check(JsonNode root, JsonNode? schema, JsonNode? value, string path, List<string> problems)
    {
        if (schema is not JsonObject rules)
            return;
        if (rules["$ref"]?.GetValue<string>() is { } reference)
        {
            Check(root, Resolve(root, reference), value, path, problems);
            return;
        }
        if (rules["anyOf"] is JsonArray choices && !choices.Any(choice => Problems(choice!, value).Count == 0))
            problems.Add($"{path} is {value?.ToJsonString() ?? "null"}, which is none of what it may be");
        if (rules["enum"] is JsonArray names && !names.Any(name => JsonNode.DeepEquals(name, value)))
            problems.Add($"{path} is {value?.ToJsonString() ?? "null"}, and should be one of {names.ToJsonString()}");
        string[] types = rules["type"] switch { JsonArray several => [.. several.Select(type => type!.GetValue<string>())], JsonValue one => [one.GetValue<string>()], _ => [] };
        if (types.Length > 0 && !types.Any(type => Is(type, value)))
        {
            problems.Add($"{path} is {value?.GetValueKind().ToString() ?? "null"} and should be {string.Join(" or ", types)}");
            return;
        }
        if (value is JsonObject found)
            CheckObject(root, rules, found, path, problems);
        else if (value is JsonArray items)
        {
            for (int i = 0; i < items.Count; i++)
                Check(root, rules["items"], items[i], $"{path}[{i}]", problems);
        }
    }

    private static void CheckObject(JsonNode root, JsonObject rules, JsonObject found, string path, List<string> problems)
    {
        foreach (JsonNode? required in rules["required"]?.AsArray() ?? [])
        {
            if (!found.ContainsKey(required!.GetValue<string>()))
                problems.Add($"{path}.{required} is missing");
        }
        foreach ((string name, JsonNode? inner) in found)
        {
            if (rules["properties"]?[name] is { } known)
                Check(root, known, inner, $"{path}.{name}", problems);
            else if (rules["additionalProperties"] is JsonObject others)
                Check(root, others, inner, $"{path}.{name}", problems);
            else if (rules["additionalProperties"] is not null)
                problems.Add($"{path}.{name} is not in the schema");
        }
    }

    private static JsonNode? Resolve(JsonNode root, string reference)
    {
        JsonNode? node = root;
        foreach (string name in reference.TrimStart('#').Split('/', StringSplitOptions.RemoveEmptyEntries))
            node = node is JsonArray array ? array[int.Parse(name)] : node?[name];
        return node;
    }

    private static bool Is(string type, JsonNode? value) => (type, value?.GetValueKind() ?? JsonValueKind.Null) switch
    {
        ("object", JsonValueKind.Object) or ("array", JsonValueKind.Array) or ("string", JsonValueKind.String) or ("number", JsonValueKind.Number) or ("null", JsonValueKind.Null) => true,
        ("boolean", JsonValueKind.True or JsonValueKind.False) => true,
        ("integer", JsonValueKind.Number) => value!.ToJsonString().All(c => char.IsAsciiDigit(c) || c == '-'),
        _ => false,
    };
}
