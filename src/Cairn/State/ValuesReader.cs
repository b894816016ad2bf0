using System.Text.Json;
using System.Text.Unicode;

namespace Cairn.State;

/// <summary>Reads what <see cref="ValuesWriter"/> wrote. Whatever else it is given ends in a <see cref="CorruptCheckpointException"/>.</summary>
internal ref struct ValuesReader
{
    private static readonly JsonReaderOptions Options = new() { MaxDepth = ValuesWriter.MaxDepth };

    private readonly string _path;
    private readonly IReadOnlyDictionary<string, StateTensor> _tensors;
    private readonly HashSet<string> _used;
    private Utf8JsonReader _json;

    private ValuesReader(ReadOnlySpan<byte> json, string path, IReadOnlyDictionary<string, StateTensor> tensors)
    {
        _path = path;
        _tensors = tensors;
        _used = new(StringComparer.Ordinal);
        _json = new Utf8JsonReader(json, Options);
    }

    /// <summary>The tree. Every one of the tensors must be used; one that is used twice is the same instance twice.</summary>
    /// <exception cref="CorruptCheckpointException">The bytes are not a tree of these tensors.</exception>
    public static StateMap Read(ReadOnlySpan<byte> json, string path, IReadOnlyDictionary<string, StateTensor> tensors)
    {
        if (!Utf8.IsValid(json))
            throw CorruptPart.Because(path, "the values are not UTF-8", "UTF-8", "other bytes");
        var reader = new ValuesReader(json, path, tensors);
        try
        {
            reader._json.Read();
            StateNode root = reader.ReadNode();
            reader._json.Read(); // anything but white space after the value is an error of the reader
            if (root is not StateMap map)
                throw CorruptPart.Because(path, "the values are not a map", "a map", root is StateTensor ? "a tensor" : root is StateList ? "a list" : "a scalar");
            foreach (string name in tensors.Keys)
            {
                if (!reader._used.Contains(name))
                    throw CorruptPart.Because(path, $"tensor '{CorruptPart.Shorten(name)}' has no place in the values", "a $tensor for each tensor", "none");
            }
            return map;
        }
        // The reader reports an escaped half of a surrogate pair as an invalid operation.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw CorruptPart.Because(path, "the values are not JSON", $"JSON of at most {ValuesWriter.MaxDepth} levels", e.Message.TrimEnd('.'), e);
        }
    }

    private StateNode ReadNode()
    {
        switch (_json.TokenType)
        {
            case JsonTokenType.StartObject: return ReadObject();
            case JsonTokenType.StartArray:
                var list = new StateList();
                while (_json.Read() && _json.TokenType != JsonTokenType.EndArray)
                    list.Add(ReadNode());
                return list;
            case JsonTokenType.String: return _json.GetString();
            case JsonTokenType.True: return true;
            case JsonTokenType.False: return false;
            case JsonTokenType.Null: return StateScalar.Null;
            case JsonTokenType.Number: return ReadNumber();
            default: throw CorruptPart.Because(_path, "the values are malformed", "a value", _json.TokenType.ToString());
        }
    }

    private StateNode ReadObject()
    {
        var map = new StateMap();
        while (_json.Read() && _json.TokenType == JsonTokenType.PropertyName)
        {
            string key = _json.GetString()!;
            if (key.StartsWith('$'))
            {
                if (!key.StartsWith("$$", StringComparison.Ordinal))
                    return map.Count == 0 ? ReadPlaceholder(key) : throw Unknown(key);
                key = key[1..];
            }
            _json.Read();
            if (map.ContainsKey(key))
                throw CorruptPart.Because(_path, $"the name '{CorruptPart.Shorten(key)}' stands twice in a map", "each name once", "two entries");
            map.Add(key, ReadNode());
        }
        return map;
    }

    private StateNode ReadPlaceholder(string key)
    {
        _json.Read();
        if (_json.TokenType != JsonTokenType.String)
            throw Unknown(key);
        string value = _json.GetString()!;
        StateNode node = key switch
        {
            ValuesWriter.TensorKey => Tensor(value),
            ValuesWriter.ElsewhereKey when value.Length == 0 => StateElsewhere.Instance,
            ValuesWriter.DoubleKey => value switch
            {
                "NaN" => double.NaN,
                "Infinity" => double.PositiveInfinity,
                "-Infinity" => double.NegativeInfinity,
                "-0.0" => -0.0,
                _ => throw CorruptPart.Because(_path, "a $double is unknown", "NaN, Infinity, -Infinity or -0.0", $"'{CorruptPart.Shorten(value)}'"),
            },
            _ => throw Unknown(key),
        };
        _json.Read();
        return _json.TokenType == JsonTokenType.EndObject ? node : throw Unknown(key);
    }

    private readonly StateTensor Tensor(string name)
    {
        if (!_tensors.TryGetValue(name, out StateTensor? tensor))
            throw CorruptPart.Because(_path, "the values name a tensor that is not there", "a tensor of this file", $"'{CorruptPart.Shorten(name)}'");
        _used.Add(name);
        return tensor;
    }

    private readonly StateNode ReadNumber()
    {
        if (_json.ValueSpan.ContainsAny((byte)'.', (byte)'e', (byte)'E'))
            return _json.TryGetDouble(out double real) && double.IsFinite(real) ? real : throw OutOfRange();
        return _json.TryGetInt64(out long whole) ? whole : throw OutOfRange();
    }

    private readonly CorruptCheckpointException OutOfRange() =>
        CorruptPart.Because(_path, "a number is out of range", "a 64-bit whole number or a finite double", CorruptPart.Shorten(System.Text.Encoding.UTF8.GetString(_json.ValueSpan)));

    private readonly CorruptCheckpointException Unknown(string key) =>
        CorruptPart.Because(_path, "a placeholder is malformed", "an object with only $tensor, $double or $elsewhere and a text", $"'{CorruptPart.Shorten(key)}'");
}
