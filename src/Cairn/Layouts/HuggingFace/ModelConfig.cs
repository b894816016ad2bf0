using System.Text.Json;
using System.Text.Json.Nodes;
using Cairn.State;

namespace Cairn.Layouts.HuggingFace;

/// <summary>What a conversion changes in <c>config.json</c>.</summary>
internal static class ModelConfig
{
    // transformers 4 and 5.
    private static readonly string[] TypeKeys = ["torch_dtype", "dtype"];

    /// <summary>The configuration with a patch (JSON Merge Patch, RFC 7396: <c>null</c> removes), and with the type that the weights have now.</summary>
    /// <exception cref="CorruptCheckpointException">It is no JSON object.</exception>
    public static byte[] Changed(ReadOnlyMemory<byte> json, string path, JsonObject? patch, TensorType? type)
    {
        JsonObject config;
        try
        {
            config = JsonNode.Parse(json.Span) as JsonObject ?? throw new JsonException("it is no object");
            if (patch is not null)
                Merge(config, patch);
        }
        // Keys that stand twice are found when the object is first looked into.
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            throw new CorruptCheckpointException($"'{path}' is no JSON object: {e.Message}", e) { Path = path };
        }
        if (type is { } cast)
        {
            foreach (string key in TypeKeys.Where(config.ContainsKey))
                config[key] = NameOf(cast);
        }
        return JsonBytes.Write(ShardIndex.Format, json => config.WriteTo(json), endsLine: true);
    }

    private static void Merge(JsonObject target, JsonObject patch)
    {
        foreach ((string key, JsonNode? value) in patch)
        {
            if (value is null)
                target.Remove(key);
            else if (value is JsonObject inner && target[key] is JsonObject old)
                Merge(old, inner);
            else
                target[key] = value.DeepClone();
        }
    }

    private static string NameOf(TensorType type) => type switch
    {
        TensorType.F64 => "float64",
        TensorType.F16 => "float16",
        TensorType.BF16 => "bfloat16",
        _ => "float32",
    };
}
