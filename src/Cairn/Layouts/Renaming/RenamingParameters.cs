using System.Globalization;
using System.Text.Json;
using Cairn.State;

namespace Cairn.Layouts.Renaming;

/// <summary>
/// Numbers and switches that rules need: <c>heads</c>, <c>kv_heads</c>, and others that a rule names. They come from a model's configuration or from the user, who wins.
/// </summary>
internal sealed class RenamingParameters
{
    private readonly Dictionary<string, StateScalar> _values = new(StringComparer.Ordinal);

    /// <summary>No parameters.</summary>
    public RenamingParameters() { }

    private RenamingParameters(IEnumerable<KeyValuePair<string, StateScalar>> values)
    {
        foreach ((string name, StateScalar value) in values)
            _values[name] = value;
    }

    /// <summary>From a map such as <c>model_config.pt</c>: its whole numbers, switches and texts under their own names.</summary>
    public static RenamingParameters Of(StateMap values) =>
        new(values.Where(entry => entry.Value is StateScalar).Select(entry => KeyValuePair.Create(entry.Key, (StateScalar)entry.Value)));

    /// <summary>From JSON such as <c>config.json</c>: the numbers, switches and texts of the object, under their own names.</summary>
    /// <exception cref="CorruptCheckpointException">It is no JSON object.</exception>
    public static RenamingParameters OfJson(ReadOnlyMemory<byte> json, string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            var values = new StateMap();
            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                StateNode? value = property.Value.ValueKind switch
                {
                    JsonValueKind.True => true,
                    JsonValueKind.False => false,
                    JsonValueKind.String => property.Value.GetString(),
                    // Each a node by itself: a conditional of both would make every number a double.
                    JsonValueKind.Number when property.Value.TryGetInt64(out long whole) => whole,
                    JsonValueKind.Number => property.Value.GetDouble(),
                    _ => null,
                };
                if (value is not null)
                    values[property.Name] = value;
            }
            return Of(values);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new CorruptCheckpointException($"'{path}' is no JSON object: {e.Message}", e) { Path = path };
        }
    }

    /// <summary>These, and for names that are not among them the others'.</summary>
    public RenamingParameters Or(RenamingParameters others)
    {
        ArgumentNullException.ThrowIfNull(others);
        return new(others._values.Concat(_values));
    }

    /// <summary>A copy with one more, or another value of one.</summary>
    public RenamingParameters With(string name, long value) => new(_values.Append(KeyValuePair.Create(name, (StateScalar)(StateNode)value)));
    /// <summary>A copy with one more, or another value of one.</summary>
    public RenamingParameters With(string name, bool value) => new(_values.Append(KeyValuePair.Create(name, (StateScalar)(StateNode)value)));

    /// <summary>A copy with one given as text, <c>NAME=VALUE</c>: a whole number, <c>true</c>, <c>false</c> or a text.</summary>
    /// <exception cref="FormatException">There is no <c>=</c>, or no name before it.</exception>
    public RenamingParameters With(string assignment)
    {
        int equals = assignment.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0)
            throw new FormatException($"'{assignment}' is no parameter. Give NAME=VALUE, for example kv_heads=8.");
        string name = assignment[..equals], text = assignment[(equals + 1)..];
        StateNode value = long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) ? number
            : bool.TryParse(text, out bool flag) ? flag : text;
        return new(_values.Append(KeyValuePair.Create(name, (StateScalar)value)));
    }

    /// <summary>The value under the first of these names that there is.</summary>
    internal object? Find(IReadOnlyList<string> names)
    {
        foreach (string name in names)
        {
            if (_values.TryGetValue(name, out StateScalar? value) && value.Value is not null)
                return value.Value;
        }
        return null;
    }
}
