using System.Text;
using System.Text.Json;
using Cairn.Formats.Safetensors;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts;

/// <summary>Turns a file back into the part of the state that <see cref="PartEncoder"/> made it of. Plain safetensors of other tools are maps of tensors.</summary>
internal static class PartDecoder
{
    internal static readonly Dictionary<string, StateTensor> NoTensors = new(StringComparer.Ordinal);

    public static StateMap DecodeJson(IReadableFile file, string path)
    {
        long length = file.Length;
        if (length > PartEncoder.MaxJsonLength)
            throw CorruptPart.Because(path, "the JSON file is too large", $"at most {PartEncoder.MaxJsonLength} bytes", $"{length} bytes");
        byte[] json = new byte[length];
        int done = 0;
        while (done < json.Length)
        {
            int read = file.Read(done, json.AsSpan(done));
            if (read <= 0)
                throw CorruptPart.Because(path, "the file ends while it is being read", $"{length} bytes", $"{done} bytes");
            done += read;
        }
        return ValuesReader.Read(json, path, NoTensors);
    }

    public static StateMap Decode(SafetensorsFile file)
    {
        IReadOnlyDictionary<string, string> metadata = file.Metadata;
        if (!metadata.TryGetValue(PartEncoder.VersionKey, out string? version))
            return DecodePlain(file);
        if (version != PartEncoder.Version)
            throw CorruptPart.Because(file.Path, "the part was written by a newer Cairn or is damaged; a newer Cairn may read it", $"cairn.version {PartEncoder.Version}", CorruptPart.Shorten(version));
        IReadOnlyDictionary<string, StateTensor> tensors = ShardMetadata.Apply(file.Path, metadata, file.Tensors);
        return metadata.TryGetValue(PartEncoder.ValuesKey, out string? values)
            ? ValuesReader.Read(Encoding.UTF8.GetBytes(values), file.Path, tensors)
            : DecodeFlat(file, tensors);
    }

    private static StateMap DecodePlain(SafetensorsFile file)
    {
        var state = new StateMap();
        foreach ((string name, StateTensor tensor) in file.Tensors)
            state.Add(name, tensor);
        return state;
    }

    private static StateMap DecodeFlat(SafetensorsFile file, IReadOnlyDictionary<string, StateTensor> own)
    {
        var tensors = new OrderedDictionary<string, StateTensor>(own, StringComparer.Ordinal);
        if (file.Metadata.TryGetValue(PartEncoder.TiesKey, out string? ties))
        {
            foreach ((string alias, StateNode target) in ValuesReader.Read(Encoding.UTF8.GetBytes(ties), file.Path, NoTensors))
            {
                if ((target as StateScalar)?.Value is not string name || !own.TryGetValue(name, out StateTensor? tensor) || !tensors.TryAdd(alias, tensor))
                    throw CorruptPart.Because(file.Path, $"the tie '{CorruptPart.Shorten(alias)}' is malformed", "a new name for a tensor of this file", "another");
            }
        }
        return Arrange(file, tensors);
    }

    private static StateMap Arrange(SafetensorsFile file, OrderedDictionary<string, StateTensor> tensors)
    {
        var state = new StateMap();
        IEnumerable<string> names = file.Metadata.TryGetValue(PartEncoder.OrderKey, out string? order) ? Names(order, file.Path) : tensors.Keys;
        foreach (string name in names)
        {
            string key = TensorNames.Unescape(name);
            if (!tensors.TryGetValue(name, out StateTensor? tensor) || state.ContainsKey(key))
                throw CorruptPart.Because(file.Path, $"the order of the tensors names '{CorruptPart.Shorten(name)}'", "each tensor of this file once", "one that is not there, or twice");
            state.Add(key, tensor);
        }
        return state.Count == tensors.Count ? state
            : throw CorruptPart.Because(file.Path, "the order of the tensors is not complete", $"{tensors.Count} names", $"{state.Count}");
    }

    private static List<string> Names(string json, string path)
    {
        var names = new List<string>();
        try
        {
            var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(json));
            reader.Read();
            bool good = reader.TokenType == JsonTokenType.StartArray;
            while (good && reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                if (good = reader.TokenType == JsonTokenType.String)
                    names.Add(reader.GetString()!);
            }
            if (good && !reader.Read())
                return names;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw CorruptPart.Because(path, "the order of the tensors is malformed", "a JSON list of texts", e.Message.TrimEnd('.'), e);
        }
        throw CorruptPart.Because(path, "the order of the tensors is malformed", "a JSON list of texts", "another value");
    }
}
