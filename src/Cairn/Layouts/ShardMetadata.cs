using System.Text;
using System.Text.Json;
using Cairn.State;

namespace Cairn.Layouts;

/// <summary>
/// The entry <c>cairn.shards</c> of a file's metadata: for each tensor that is a shard, the global shape, the box, and for a flat range
/// its first element in the box: <c>{"w": {"global": [8, 8], "offset": [4, 0], "shape": [4, 8], "start": 16}}</c>. The number of
/// elements of a flat range is the tensor's own.
/// </summary>
internal static class ShardMetadata
{
    public const string Key = "cairn.shards";

    /// <summary>Writes the entry's JSON; nothing when no tensor is a shard.</summary>
    public static void AddTo(Dictionary<string, string> metadata, IReadOnlyList<KeyValuePair<string, StateTensor>> tensors)
    {
        if (!tensors.Any(tensor => tensor.Value is ShardTensor))
            return;
        metadata.Add(Key, PartEncoder.Json(json =>
        {
            json.WriteStartObject();
            foreach ((string name, StateTensor tensor) in tensors)
            {
                if (tensor is not ShardTensor { Extent: { IsWhole: false } extent })
                    continue;
                json.WriteStartObject(ValuesWriter.EscapeKey(name));
                Write(json, "global", extent.GlobalShape);
                Write(json, "offset", extent.Box.Offset);
                Write(json, "shape", extent.Box.Shape);
                if (extent.IsFlat)
                    json.WriteNumber("start", extent.Start);
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }));
    }

    /// <summary>The tensors with those that are shards as such.</summary>
    /// <exception cref="CorruptCheckpointException">The entry is malformed, or a shard does not fit its tensor.</exception>
    public static IReadOnlyDictionary<string, StateTensor> Apply(string path, IReadOnlyDictionary<string, string> metadata, IReadOnlyDictionary<string, StateTensor> tensors)
    {
        if (!metadata.TryGetValue(Key, out string? json))
            return tensors;
        var all = new OrderedDictionary<string, StateTensor>(tensors, StringComparer.Ordinal);
        foreach ((string name, StateNode node) in ValuesReader.Read(Encoding.UTF8.GetBytes(json), path, PartDecoder.NoTensors))
        {
            if (!tensors.TryGetValue(name, out StateTensor? tensor) || node is not StateMap shard)
                throw Bad(path, name, "a tensor of this file, and an object", "another");
            try
            {
                ShardExtent extent = ShardExtent.OfBox(Numbers(shard, "global"), Numbers(shard, "offset"), Numbers(shard, "shape"));
                if (shard.TryGetValue("start", out StateNode? start))
                    extent = extent.Flat(Number(start), TensorBox.Elements([.. tensor.Shape]));
                all[name] = new ShardTensor(tensor, extent);
            }
            catch (Exception e) when (e is ArgumentException or OverflowException or FormatException or KeyNotFoundException)
            {
                throw Bad(path, name, "a global shape, a box in it, and the tensor's size", e.Message, e);
            }
        }
        return all;
    }

    private static void Write(Utf8JsonWriter json, string name, IReadOnlyList<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (long number in numbers)
            json.WriteNumberValue(number);
        json.WriteEndArray();
    }

    private static long[] Numbers(StateMap shard, string name) =>
        shard[name] is StateList list ? [.. list.Select(Number)] : throw new FormatException($"'{name}' is no list");

    private static long Number(StateNode node) =>
        (node as StateScalar)?.Value is long number ? number : throw new FormatException("a whole number is missing");

    private static CorruptCheckpointException Bad(string path, string name, string expected, string found, Exception? cause = null) =>
        CorruptPart.Because(path, $"the shard '{CorruptPart.Shorten(name)}' is malformed", expected, found.TrimEnd('.'), cause);
}
