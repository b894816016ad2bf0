using System.Globalization;
using System.Text.Json;

namespace Cairn.State;

/// <summary>
/// Writes a tree as JSON. What JSON cannot say stands in objects with one <c>$</c> key: <c>{"$tensor": name}</c>,
/// <c>{"$double": "NaN"}</c> and, for an item of a list that another rank's file holds, <c>{"$elsewhere": ""}</c>; a key that begins with <c>$</c> gets a second one. Doubles always have a point or an exponent,
/// whole numbers never.
/// </summary>
internal sealed class ValuesWriter
{
    /// <summary>Deepest nesting that is written and read; a placeholder counts as a level.</summary>
    public const int MaxDepth = 64;
    public const string TensorKey = "$tensor";
    public const string DoubleKey = "$double";
    public const string ElsewhereKey = "$elsewhere";

    private readonly Utf8JsonWriter _json;
    private readonly Dictionary<StateTensor, string> _names = new(ReferenceEqualityComparer.Instance);

    private ValuesWriter(Utf8JsonWriter json) => _json = json;

    /// <summary>The tree as JSON, with its tensors in the order in which they are met, each instance once under the name of its first place.</summary>
    /// <exception cref="ArgumentException">The tree is too deep or a text is not well-formed.</exception>
    public static (byte[] Json, IReadOnlyList<KeyValuePair<string, StateTensor>> Tensors) Write(StateMap state, bool indented)
    {
        var tensors = new List<KeyValuePair<string, StateTensor>>();
        JsonWriterOptions options = JsonBytes.Dense with { Indented = indented, NewLine = "\n" };
        byte[] json = JsonBytes.Write(options, json => new ValuesWriter(json).WriteNode(state, path: null, depth: 1, tensors), endsLine: indented);
        return (json, tensors);
    }

    private void WriteNode(StateNode node, string? path, int depth, List<KeyValuePair<string, StateTensor>> tensors)
    {
        if (depth > MaxDepth)
            throw new ArgumentException($"The state is nested more than {MaxDepth} levels deep, or holds itself, at '{path}'.", nameof(node));
        switch (node)
        {
            case StateMap map:
                _json.WriteStartObject();
                foreach ((string key, StateNode child) in map)
                {
                    WellFormedText.OrThrow(key);
                    _json.WritePropertyName(EscapeKey(key));
                    WriteNode(child, Join(path, TensorNames.Escape(key)), depth + 1, tensors);
                }
                _json.WriteEndObject();
                break;
            case StateList list:
                _json.WriteStartArray();
                for (int i = 0; i < list.Count; i++)
                    WriteNode(list[i], Join(path, i.ToString(CultureInfo.InvariantCulture)), depth + 1, tensors);
                _json.WriteEndArray();
                break;
            case StateTensor tensor:
                if (!_names.TryGetValue(tensor, out string? name))
                {
                    name = path!;
                    _names.Add(tensor, name);
                    tensors.Add(new(name, tensor));
                }
                WritePlaceholder(TensorKey, name);
                break;
            case StateScalar scalar:
                WriteScalar(scalar);
                break;
            case StateElsewhere:
                WritePlaceholder(ElsewhereKey, "");
                break;
            default:
                throw new ArgumentException($"A {node.GetType().Name} cannot be saved.", nameof(node));
        }
    }

    /// <summary>The key with a second <c>$</c> when it begins with one, which would else look like a placeholder.</summary>
    public static string EscapeKey(string key) => key.StartsWith('$') ? "$" + key : key;

    private static string Join(string? path, string key) => path is null ? key : $"{path}/{key}";

    private void WriteScalar(StateScalar scalar)
    {
        switch (scalar.Value)
        {
            case null: _json.WriteNullValue(); break;
            case bool value: _json.WriteBooleanValue(value); break;
            case long value: _json.WriteNumberValue(value); break;
            case string value: _json.WriteStringValue(WellFormedText.OrThrow(value)); break;
            case double value: WriteDouble(value); break;
        }
    }

    private void WriteDouble(double value)
    {
        // Tools that rewrite JSON tend to lose the sign of zero.
        if (!double.IsFinite(value) || (value == 0 && double.IsNegative(value)))
        {
            WritePlaceholder(DoubleKey, double.IsNaN(value) ? "NaN" : value == 0 ? "-0.0" : value > 0 ? "Infinity" : "-Infinity");
            return;
        }
        string text = value.ToString("R", CultureInfo.InvariantCulture);
        _json.WriteRawValue(text.AsSpan().ContainsAny('.', 'E') ? text : text + ".0", skipInputValidation: true);
    }

    private void WritePlaceholder(string key, string value)
    {
        _json.WriteStartObject();
        _json.WriteString(key, value);
        _json.WriteEndObject();
    }
}
