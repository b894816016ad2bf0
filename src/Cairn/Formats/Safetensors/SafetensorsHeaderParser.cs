using System.Text.Json;
using System.Text.Unicode;
using Cairn.State;

namespace Cairn.Formats.Safetensors;

/// <summary>Turns a header's JSON into entries, with the checks of the reference implementation (<c>Metadata::validate</c> in <c>tensor.rs</c>).</summary>
internal ref struct SafetensorsHeaderParser
{
    private static readonly JsonReaderOptions Options = new() { MaxDepth = 64 };

    private readonly string _path;
    private Utf8JsonReader _json;
    private string? _tensor;

    private SafetensorsHeaderParser(ReadOnlySpan<byte> header, string path)
    {
        _path = path;
        _json = new Utf8JsonReader(header, Options);
    }

    public static SafetensorsHeader Parse(ReadOnlySpan<byte> header, string path, long fileLength)
    {
        // Some writers leave white space before the map, which the reference implementation takes too.
        ReadOnlySpan<byte> start = header.TrimStart(" \t\r\n"u8);
        if (start.IsEmpty || start[0] != (byte)'{')
            throw new CorruptSafetensorsException(SafetensorsFault.HeaderStart, path, null, "the header has the wrong start", "'{'", start.IsEmpty ? "nothing" : $"byte 0x{start[0]:X2}");
        if (!Utf8.IsValid(header))
            throw new CorruptSafetensorsException(SafetensorsFault.HeaderNotUtf8, path, null, "the header is not text", "UTF-8", "other bytes");
        var parser = new SafetensorsHeaderParser(header, path);
        try
        {
            var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
            List<SafetensorsEntry> tensors = parser.ReadTensors(metadata);
            long dataOffset = SafetensorsHeader.PrefixLength + header.Length;
            Verify(tensors, path, fileLength - dataOffset);
            return new SafetensorsHeader(tensors, metadata, dataOffset);
        }
        // The reader reports an escaped half of a surrogate pair as an invalid operation.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new CorruptSafetensorsException(SafetensorsFault.HeaderNotJson, path, parser._tensor, "the header is not JSON", "JSON", e.Message.TrimEnd('.'), e);
        }
    }

    private List<SafetensorsEntry> ReadTensors(Dictionary<string, string> metadata)
    {
        var tensors = new List<SafetensorsEntry>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        _json.Read();
        while (_json.Read() && _json.TokenType == JsonTokenType.PropertyName)
        {
            string name = _json.GetString()!;
            if (!names.Add(name))
                throw Bad(SafetensorsFault.DuplicateName, name, "the name stands twice in the header", "each name once", "two entries");
            if (name == SafetensorsHeader.MetadataName)
            {
                ReadMetadata(metadata);
                continue;
            }
            _tensor = name;
            tensors.Add(ReadEntry(name));
            _tensor = null;
        }
        _json.Read(); // anything but white space after the object is an error of the reader
        return tensors;
    }

    private void ReadMetadata(Dictionary<string, string> metadata)
    {
        _json.Read();
        // The reference implementation takes a null for an absent map.
        if (_json.TokenType == JsonTokenType.Null)
            return;
        if (_json.TokenType != JsonTokenType.StartObject)
            throw Bad(SafetensorsFault.MetadataNotStrings, null, "__metadata__ is not a map of strings", "an object", Found());
        while (_json.Read() && _json.TokenType == JsonTokenType.PropertyName)
        {
            string key = _json.GetString()!;
            _json.Read();
            if (_json.TokenType != JsonTokenType.String)
                throw Bad(SafetensorsFault.MetadataNotStrings, null, "__metadata__ is not a map of strings", "a string", Found());
            if (!metadata.TryAdd(key, _json.GetString()!))
                throw Bad(SafetensorsFault.DuplicateName, null, $"the name '{(key.Length < 100 ? key : key[..100])}' stands twice in __metadata__", "each name once", "two entries");
        }
    }

    private SafetensorsEntry ReadEntry(string name)
    {
        _json.Read();
        if (_json.TokenType != JsonTokenType.StartObject)
            throw Bad(SafetensorsFault.MalformedEntry, name, "the entry is malformed", "an object", Found());
        string? typeName = null;
        List<long>? shape = null, offsets = null;
        while (_json.Read() && _json.TokenType == JsonTokenType.PropertyName)
        {
            if (_json.ValueTextEquals("dtype"u8))
            {
                Once(typeName is null, name, "dtype");
                _json.Read();
                typeName = _json.TokenType == JsonTokenType.String ? _json.GetString()
                    : throw Bad(SafetensorsFault.MalformedEntry, name, "dtype is malformed", "a string", Found());
            }
            else if (_json.ValueTextEquals("shape"u8))
            {
                Once(shape is null, name, "shape");
                shape = ReadSizes(name, "shape", StateTensor.MaxRank);
            }
            else if (_json.ValueTextEquals("data_offsets"u8))
            {
                Once(offsets is null, name, "data_offsets");
                offsets = ReadSizes(name, "data_offsets", 2);
            }
            else
            {
                _json.Skip(); // fields of later versions
            }
        }
        if (typeName is null || shape is null || offsets is not { Count: 2 })
        {
            string missing = typeName is null ? "no dtype" : shape is null ? "no shape" : offsets is null ? "no data_offsets" : $"{offsets.Count} offsets";
            throw Bad(SafetensorsFault.MalformedEntry, name, "the entry is malformed", "dtype, shape and two data_offsets", missing);
        }
        TensorType type = SafetensorsTypeNames.Parse(typeName)
            ?? throw Bad(SafetensorsFault.UnknownType, name, "the element type is unknown", "a dtype of safetensors", $"'{typeName}'");
        return new SafetensorsEntry(name, type, shape.Count == 0 ? [] : shape.ToArray(), offsets[0], offsets[1]);
    }

    private readonly void Once(bool first, string name, string field)
    {
        if (!first)
            throw Bad(SafetensorsFault.DuplicateName, name, $"the field {field} stands twice in the entry", "each field once", "two");
    }

    private List<long> ReadSizes(string name, string field, int max)
    {
        _json.Read();
        if (_json.TokenType != JsonTokenType.StartArray)
            throw Bad(SafetensorsFault.MalformedEntry, name, $"{field} is malformed", "an array", Found());
        var sizes = new List<long>();
        while (_json.Read() && _json.TokenType != JsonTokenType.EndArray)
        {
            if (_json.TokenType != JsonTokenType.Number || !_json.TryGetInt64(out long size) || size < 0)
                throw Bad(SafetensorsFault.MalformedEntry, name, $"{field} is malformed", "whole numbers from 0 to 2^63-1", Found());
            if (sizes.Count == max)
                throw Bad(SafetensorsFault.MalformedEntry, name, $"{field} is malformed", field == "shape" ? $"at most {max} dimensions" : $"{max} numbers", "more");
            sizes.Add(size);
        }
        return sizes;
    }

    private static void Verify(List<SafetensorsEntry> tensors, string path, long dataLength)
    {
        if (!InOrder(tensors))
            tensors.Sort((a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)) is var order and not 0 ? order : string.CompareOrdinal(a.Name, b.Name));
        long position = 0;
        foreach (SafetensorsEntry tensor in tensors)
        {
            if (tensor.Begin != position || tensor.End < tensor.Begin)
                throw new CorruptSafetensorsException(SafetensorsFault.InvalidOffsets, path, tensor.Name, "the offsets leave a hole, overlap or run backwards", $"a begin of {position}", $"{tensor.Begin} to {tensor.End}");
            long length = Length(tensor, path);
            if (length != tensor.ByteLength)
                throw new CorruptSafetensorsException(SafetensorsFault.SizeMismatch, path, tensor.Name, "shape and offsets do not agree", $"{length} bytes", $"{tensor.ByteLength} bytes");
            position = tensor.End;
        }
        if (position != dataLength)
            throw new CorruptSafetensorsException(SafetensorsFault.DataLength, path, null, "the tensors do not end where the file ends", $"{position} bytes of data", $"{dataLength} bytes");
    }

    private static bool InOrder(List<SafetensorsEntry> tensors)
    {
        for (int i = 1; i < tensors.Count; i++)
        {
            if ((tensors[i - 1].Begin, tensors[i - 1].End).CompareTo((tensors[i].Begin, tensors[i].End)) > 0)
                return false;
        }
        return true;
    }

    private static long Length(SafetensorsEntry tensor, string path)
    {
        try
        {
            return tensor.Type.ByteLength((long[])tensor.Shape);
        }
        catch (OverflowException e)
        {
            throw new CorruptSafetensorsException(SafetensorsFault.SizeOverflow, path, tensor.Name, "the size overflows", "less than 2^63 bits", "a larger shape", e);
        }
        catch (ArgumentException e)
        {
            throw new CorruptSafetensorsException(SafetensorsFault.PartialByte, path, tensor.Name, "the elements do not fill whole bytes", "a multiple of 8 bits", $"{tensor.Type} elements that end within a byte", e);
        }
    }

    private readonly string Found() => _json.TokenType switch
    {
        JsonTokenType.Number => _json.ValueSpan.Length > 40 ? "a long number" : System.Text.Encoding.UTF8.GetString(_json.ValueSpan),
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => "a string",
        JsonTokenType token => token.ToString(),
    };

    private readonly CorruptSafetensorsException Bad(SafetensorsFault fault, string? tensor, string what, string expected, string found) =>
        new(fault, _path, tensor, what, expected, found);
}
