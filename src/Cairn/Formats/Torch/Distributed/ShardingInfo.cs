using System.Text.Encodings.Web;
using System.Text.Json;
using Cairn.Formats.Safetensors;
using Cairn.State;

namespace Cairn.Formats.Torch.Distributed;

/// <summary>
/// What a safetensors file of a distributed checkpoint says of its tensors, in its metadata under <c>DCP_SHARDING_INFO</c>: where each of them begins in the tensor that it is a part of.
/// <code>{"layers.0.weight": {"saved_offsets": [16, 0]}}</code>
/// The shape of the whole stands nowhere.
/// </summary>
internal static class ShardingInfo
{
    /// <summary>The key in a file's metadata.</summary>
    public const string Key = "DCP_SHARDING_INFO";
    private const string VersionKey = "DCP_VERSION", Version = "1.0", Offsets = "saved_offsets", FormatKey = "format", Format = "pt";

    /// <summary>Says in a file's metadata how many files there are. PyTorch does not, so of its checkpoints nobody knows whether the last ranks' files are missing.</summary>
    public const string FilesKey = "cairn.shards";

    /// <summary>The metadata of a file.</summary>
    /// <param name="offsets">Where each tensor begins.</param>
    /// <param name="files">How many files there are.</param>
    public static Dictionary<string, string> Metadata(IEnumerable<KeyValuePair<string, long[]>> offsets, int files) => new(StringComparer.Ordinal)
    {
        [Key] = System.Text.Encoding.UTF8.GetString(JsonBytes.Write(new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }, json =>
        {
            json.WriteStartObject();
            foreach ((string name, long[] begin) in offsets)
            {
                json.WriteStartObject(name);
                json.WriteStartArray(Offsets);
                foreach (long offset in begin)
                    json.WriteNumberValue(offset);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        })),
        [VersionKey] = Version,
        [FormatKey] = Format,
        [FilesKey] = files.ToString(System.Globalization.CultureInfo.InvariantCulture),
    };

    /// <summary>Where each tensor begins that a file says something of; <see langword="null"/> when it says nothing of this kind.</summary>
    /// <exception cref="CorruptDistributedCheckpointException">It is not JSON of this form.</exception>
    public static IReadOnlyDictionary<string, long[]>? Read(SafetensorsFile file)
    {
        if (!file.Metadata.TryGetValue(Key, out string? text))
            return null;
        var offsets = new Dictionary<string, long[]>(StringComparer.Ordinal);
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw Malformed(file, null, "an object", document.RootElement.ValueKind.ToString());
            foreach (JsonProperty tensor in document.RootElement.EnumerateObject())
            {
                if (tensor.Value.ValueKind != JsonValueKind.Object || !tensor.Value.TryGetProperty(Offsets, out JsonElement list) || list.ValueKind != JsonValueKind.Array || list.GetArrayLength() > StateTensor.MaxRank)
                    throw Malformed(file, tensor.Name, $"{Offsets} with at most {StateTensor.MaxRank} numbers", "another value");
                if (!offsets.TryAdd(tensor.Name, [.. list.EnumerateArray().Select(number => number.ValueKind == JsonValueKind.Number && number.TryGetInt64(out long offset) && offset >= 0 ? offset : throw Malformed(file, tensor.Name, "whole numbers from 0 on", number.ToString()))]))
                    throw Malformed(file, tensor.Name, "it once", "it twice");
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Malformed(file, null, "JSON", e.Message.TrimEnd('.'), e);
        }
        return offsets;
    }

    /// <summary>Refuses a file whose tensors are parts of larger ones, where whole ones are looked for.</summary>
    /// <exception cref="CorruptDistributedCheckpointException">A tensor does not begin at the beginning, or what is said of it is malformed.</exception>
    public static void RequireWhole(SafetensorsFile file)
    {
        foreach ((string name, long[] begin) in Read(file) ?? new Dictionary<string, long[]>(StringComparer.Ordinal))
        {
            if (Array.Exists(begin, offset => offset > 0))
                throw new CorruptDistributedCheckpointException(DistributedFault.ChunkCover, file.Path, "it is a part of a tensor, and its file has the name of one with whole tensors", "offsets of 0", $"[{string.Join(", ", begin)}]", name);
        }
    }

    private static CorruptDistributedCheckpointException Malformed(SafetensorsFile file, string? name, string expected, string found, Exception? cause = null) =>
        new(DistributedFault.MetadataMalformed, file.Path, $"{Key} is malformed", expected, found, name, cause);
}
