using System.Text;
using System.Text.Json;
using Cairn.Formats.Safetensors;
using Cairn.State;

namespace Cairn.Layouts;

/// <summary>
/// Turns a part of the state into one file: JSON when it has no tensor, else safetensors. A map of nothing but tensors needs only
/// the header; any other tree stands as JSON in the header's metadata, with placeholders for its tensors.
/// </summary>
internal static class PartEncoder
{
    public const string JsonExtension = ".json";
    public const string SafetensorsExtension = ".safetensors";
    /// <summary>Largest JSON file that is written and read, in bytes.</summary>
    public const int MaxJsonLength = 64 * 1024 * 1024;
    public const string Version = "1";
    public const string VersionKey = "cairn.version";
    public const string ValuesKey = "cairn.values";
    public const string TiesKey = "cairn.ties";
    public const string OrderKey = "cairn.order";

    /// <param name="part">The part's name.</param>
    /// <param name="stem">The file's name, without extension.</param>
    /// <param name="state">The part.</param>
    /// <param name="before">The file of this very tree when it had other values.</param>
    /// <exception cref="ArgumentException">The tree is too deep, too large, or holds a text that is not well-formed.</exception>
    public static PlannedFile Encode(string part, string stem, StateMap state, SafetensorsWriter? before = null)
    {
        if (state.Count > 0 && state.Values.All(node => node is StateTensor))
            return new PlannedFile(part, stem + SafetensorsExtension, EncodeFlat(state));
        (byte[] json, IReadOnlyList<KeyValuePair<string, StateTensor>> tensors) = ValuesWriter.Write(state, indented: false);
        if (tensors.Count == 0)
        {
            (json, _) = ValuesWriter.Write(state, indented: true);
            if (json.Length > MaxJsonLength)
                throw new ArgumentException($"Part '{part}' takes {json.Length} bytes of JSON, more than the {MaxJsonLength} that are read back. Put its long lists into tensors, and long texts into tensors of bytes.", nameof(state));
            return new PlannedFile(part, stem + JsonExtension, new BytesContent(json));
        }
        Dictionary<string, string> metadata = Metadata();
        metadata.Add(ValuesKey, Encoding.UTF8.GetString(json));
        ShardMetadata.AddTo(metadata, tensors);
        return new PlannedFile(part, stem + SafetensorsExtension, before?.With(metadata) ?? SafetensorsWriter.Plan(tensors, metadata));
    }

    private static SafetensorsWriter EncodeFlat(StateMap state)
    {
        var names = new Dictionary<StateTensor, string>(ReferenceEqualityComparer.Instance);
        var tensors = new List<KeyValuePair<string, StateTensor>>(state.Count);
        var order = new List<string>(state.Count);
        var ties = new List<KeyValuePair<string, string>>();
        foreach ((string key, StateNode node) in state)
        {
            var tensor = (StateTensor)node;
            string name = TensorNames.Escape(WellFormedText.OrThrow(key));
            order.Add(name);
            if (names.TryAdd(tensor, name))
                tensors.Add(new(name, tensor));
            else
                ties.Add(new(name, names[tensor]));
        }
        Dictionary<string, string> metadata = Metadata();
        ShardMetadata.AddTo(metadata, tensors);
        if (ties.Count > 0)
            metadata.Add(TiesKey, Json(json => WriteTies(json, ties)));
        // Readers order by the bytes, then the ties; only another order needs words.
        IEnumerable<string> natural = tensors.OrderByDescending(t => t.Value.Type.BitsPerElement()).Select(t => t.Key).Concat(ties.Select(t => t.Key));
        if (!natural.SequenceEqual(order, StringComparer.Ordinal))
            metadata.Add(OrderKey, Json(json => WriteOrder(json, order)));
        return SafetensorsWriter.Plan(tensors, metadata);
    }

    // "format" is what Hugging Face's loaders ask for.
    private static Dictionary<string, string> Metadata() => new(StringComparer.Ordinal) { ["format"] = "pt", [VersionKey] = Version };

    private static void WriteTies(Utf8JsonWriter json, List<KeyValuePair<string, string>> ties)
    {
        json.WriteStartObject();
        foreach ((string alias, string name) in ties)
            json.WriteString(ValuesWriter.EscapeKey(alias), name);
        json.WriteEndObject();
    }

    private static void WriteOrder(Utf8JsonWriter json, List<string> order)
    {
        json.WriteStartArray();
        foreach (string name in order)
            json.WriteStringValue(name);
        json.WriteEndArray();
    }

    internal static string Json(Action<Utf8JsonWriter> write) => Encoding.UTF8.GetString(JsonBytes.Write(JsonBytes.Dense, write));
}
