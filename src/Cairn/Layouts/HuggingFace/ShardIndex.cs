using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.HuggingFace;

/// <summary>
/// <c>model.safetensors.index.json</c> (or <c>pytorch_model.bin.index.json</c>): which tensor is in which file. The form is that of
/// <see href="https://huggingface.co/docs/transformers/big_models">transformers' sharded checkpoints</see>.
/// </summary>
/// <param name="TotalSize">Bytes of all tensors, as <c>metadata.total_size</c> says; <see langword="null"/> when it does not. It is not checked: published models have wrong ones.</param>
/// <param name="FileOfTensor">The file of each tensor, by the tensor's name, in the order of the index.</param>
internal sealed record ShardIndex(long? TotalSize, IReadOnlyDictionary<string, string> FileOfTensor)
{
    /// <summary>The form in which transformers writes JSON.</summary>
    public static readonly JsonWriterOptions Format = JsonBytes.Indented with { IndentSize = 2, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private const int LargestFile = 100_000_000;

    /// <summary>Reads an index. Nothing is opened that it names.</summary>
    /// <exception cref="CorruptHuggingFaceException">It is no index, or names a file elsewhere.</exception>
    /// <exception cref="IOException">It could not be read.</exception>
    public static ShardIndex Read(IFileSource files, string path) => Parse(SmallFile.Read(files, path, LargestFile), path);

    /// <summary>Reads an index from its bytes.</summary>
    /// <exception cref="CorruptHuggingFaceException">It is no index, or names a file elsewhere.</exception>
    public static ShardIndex Parse(ReadOnlyMemory<byte> json, string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("weight_map", out JsonElement map) || map.ValueKind != JsonValueKind.Object)
                throw Malformed(path, "the index has no weight_map", "an object with a weight_map from tensors to files", "none");
            var files = new OrderedDictionary<string, string>(StringComparer.Ordinal);
            foreach (JsonProperty entry in map.EnumerateObject())
            {
                if (entry.Value.ValueKind != JsonValueKind.String)
                    throw Malformed(path, $"the entry of '{CorruptHuggingFaceException.Shorten(entry.Name)}' is no file", "a file's name", entry.Value.ValueKind.ToString());
                string file = entry.Value.GetString()!;
                if (!StorePath.IsName(file))
                    throw new CorruptHuggingFaceException(HuggingFaceFault.UnsafePath, path, "the index leads out of its folder", "the name of a file beside it", $"'{file}'", entry.Name);
                if (!files.TryAdd(entry.Name, file))
                    throw Malformed(path, $"'{CorruptHuggingFaceException.Shorten(entry.Name)}' stands twice in the index", "each tensor once", "two entries");
            }
            if (files.Count == 0)
                throw Malformed(path, "the index names no tensor", "a weight_map from tensors to files", "an empty one");
            return new ShardIndex(SizeIn(root), files);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new CorruptHuggingFaceException(HuggingFaceFault.IndexNotJson, path, "the index is not JSON", "JSON", e.Message.TrimEnd('.'), cause: e);
        }
    }

    /// <summary>The index's bytes: indented by two, names in ordinal order, a line end at the end, as transformers writes it.</summary>
    public byte[] ToBytes() => JsonBytes.Write(Format, json =>
    {
        json.WriteStartObject();
        json.WriteStartObject("metadata");
        if (TotalSize is { } size)
            json.WriteNumber("total_size", size);
        json.WriteEndObject();
        json.WriteStartObject("weight_map");
        foreach ((string tensor, string file) in FileOfTensor.OrderBy(entry => entry.Key, StringComparer.Ordinal))
            json.WriteString(tensor, file);
        json.WriteEndObject();
        json.WriteEndObject();
    }, endsLine: true);

    private static long? SizeIn(JsonElement root)
    {
        if (!root.TryGetProperty("metadata", out JsonElement metadata) || metadata.ValueKind != JsonValueKind.Object || !metadata.TryGetProperty("total_size", out JsonElement size))
            return null;
        // Old versions of accelerate wrote a float.
        return size.ValueKind != JsonValueKind.Number ? null
            : size.TryGetInt64(out long whole) ? whole
            : double.TryParse(size.GetRawText(), NumberStyles.Float, CultureInfo.InvariantCulture, out double real) && real is >= 0 and < 9e18 ? (long)real : null;
    }

    private static CorruptHuggingFaceException Malformed(string path, string what, string expected, string found) =>
        new(HuggingFaceFault.IndexMalformed, path, what, expected, found);
}
