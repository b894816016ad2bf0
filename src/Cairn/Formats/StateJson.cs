using System.Globalization;
using System.Text.Json;
using Cairn.State;

namespace Cairn.Formats;

/// <summary>
/// State values as JSON, exactly: whole numbers and doubles stay apart (a double has a point or an exponent), doubles are
/// the shortest text that reads back to the same bits, and what JSON cannot say is an object with one <c>$</c> key:
/// <c>{"$double": "NaN"}</c>, <c>{"$tensor": "name"}</c>. Keys of the state that begin with <c>$</c> get a second one.
/// </summary>
public static class StateJson
{
    /// <summary>Deepest nesting that is written or read.</summary>
    public const int MaxDepth = 64;

    /// <summary>Writes a node. <paramref name="nameOf"/> gives the name by which a tensor is found again.</summary>
    /// <exception cref="NotSupportedException">There is a tensor and no <paramref name="nameOf"/>.</exception>
    public static void Write(Utf8JsonWriter writer, StateNode node, Func<StateTensor, string>? nameOf = null)
    {
        switch (node)
        {
            case StateMap map:
                writer.WriteStartObject();
                foreach ((string key, StateNode value) in map)
                {
                    writer.WritePropertyName(key.StartsWith('$') ? "$" + key : key);
                    Write(writer, value, nameOf);
                }
                writer.WriteEndObject();
                break;
            case StateList list:
                writer.WriteStartArray();
                foreach (StateNode item in list)
                    Write(writer, item, nameOf);
                writer.WriteEndArray();
                break;
            case StateTensor tensor:
                WriteTagged(writer, "$tensor", nameOf?.Invoke(tensor) ?? throw new NotSupportedException("A tensor cannot stand in a JSON file."));
                break;
            default:
                WriteScalar(writer, ((StateScalar)node).Value);
                break;
        }
    }

    /// <summary>Reads what <see cref="Write"/> wrote. <paramref name="tensor"/> finds a tensor by its name.</summary>
    /// <exception cref="FormatException">It is JSON, but not of this form.</exception>
    public static StateNode Read(JsonElement json, Func<string, StateTensor>? tensor = null)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.Object:
                return ReadObject(json, tensor);
            case JsonValueKind.Array:
                return new StateList(json.EnumerateArray().Select(item => Read(item, tensor)));
            case JsonValueKind.String:
                return json.GetString();
            case JsonValueKind.True or JsonValueKind.False:
                return json.GetBoolean();
            case JsonValueKind.Number:
                string text = json.GetRawText();
                if (text.AsSpan().IndexOfAny('.', 'e', 'E') >= 0)
                    return json.GetDouble();
                return json.TryGetInt64(out long whole) ? whole : throw new FormatException($"The number {text} does not fit 64 bits.");
            default:
                return StateScalar.Null;
        }
    }

    /// <summary>Whether an exception says that some text is not the JSON it should be.</summary>
    internal static bool IsMalformed(Exception e) => e is JsonException or FormatException or KeyNotFoundException or InvalidOperationException;

    private static StateNode ReadObject(JsonElement json, Func<string, StateTensor>? tensor)
    {
        var map = new StateMap();
        foreach (JsonProperty property in json.EnumerateObject())
        {
            string key = property.Name;
            if (key.StartsWith("$$", StringComparison.Ordinal))
                key = key[1..];
            else if (key.StartsWith('$'))
                return ReadTagged(key, property.Value, tensor);
            if (map.ContainsKey(key))
                throw new FormatException($"The key '{key}' stands twice.");
            map.Add(key, Read(property.Value, tensor));
        }
        return map;
    }

    private static StateNode ReadTagged(string tag, JsonElement value, Func<string, StateTensor>? tensor)
    {
        string? text = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        return (tag, text) switch
        {
            ("$double", "NaN") => double.NaN,
            ("$double", "Infinity") => double.PositiveInfinity,
            ("$double", "-Infinity") => double.NegativeInfinity,
            ("$tensor", not null) when tensor is not null => tensor(text),
            _ => throw new FormatException($"'{tag}' is not a value that can stand here."),
        };
    }

    private static void WriteScalar(Utf8JsonWriter writer, object? value)
    {
        switch (value)
        {
            case null: writer.WriteNullValue(); break;
            case bool flag: writer.WriteBooleanValue(flag); break;
            case long whole: writer.WriteNumberValue(whole); break;
            case string text: writer.WriteStringValue(text); break;
            case double number when double.IsFinite(number):
                string digits = number.ToString("R", CultureInfo.InvariantCulture);
                writer.WriteRawValue(digits.AsSpan().IndexOfAny('.', 'E') >= 0 ? digits : digits + ".0");
                break;
            case double number:
                WriteTagged(writer, "$double", double.IsNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
                break;
        }
    }

    private static void WriteTagged(Utf8JsonWriter writer, string tag, string value)
    {
        writer.WriteStartObject();
        writer.WriteString(tag, value);
        writer.WriteEndObject();
    }
}
