using System.Collections;
using System.Diagnostics.CodeAnalysis;
using Cairn.State;

namespace Cairn;

/// <summary>Measurements by name, each with the step at which it was set. In the order of the names.</summary>
internal sealed class StepMetrics(Func<long> step) : IDictionary<string, double>
{
    private readonly SortedDictionary<string, (double Value, long Step)> _values = new(StringComparer.Ordinal);

    /// <summary>The values with their steps.</summary>
    public IReadOnlyDictionary<string, (double Value, long Step)> Steps => _values;

    /// <summary>Sets a value of an earlier step.</summary>
    public void Set(string name, double value, long at) => _values[WellFormedText.Repaired(name)] = (value, at);

    public double this[string key] { get => _values[WellFormedText.Repaired(key)].Value; set => Set(key, value, step()); }
    public ICollection<string> Keys => _values.Keys;
    public ICollection<double> Values => [.. _values.Values.Select(entry => entry.Value)];
    public int Count => _values.Count;
    public bool IsReadOnly => false;

    public void Add(string key, double value) => _values.Add(WellFormedText.Repaired(key), (value, step()));
    public void Add(KeyValuePair<string, double> item) => Add(item.Key, item.Value);
    public bool Remove(string key) => _values.Remove(WellFormedText.Repaired(key));
    public bool Remove(KeyValuePair<string, double> item) => Contains(item) && Remove(item.Key);
    public void Clear() => _values.Clear();
    public bool ContainsKey(string key) => _values.ContainsKey(WellFormedText.Repaired(key));
    public bool Contains(KeyValuePair<string, double> item) => TryGetValue(item.Key, out double value) && value.Equals(item.Value);

    public bool TryGetValue(string key, [MaybeNullWhen(false)] out double value)
    {
        bool found = _values.TryGetValue(WellFormedText.Repaired(key), out (double Value, long Step) entry);
        value = entry.Value;
        return found;
    }

    public void CopyTo(KeyValuePair<string, double>[] array, int arrayIndex) => this.ToArray().CopyTo(array, arrayIndex);

    public IEnumerator<KeyValuePair<string, double>> GetEnumerator()
    {
        foreach ((string name, (double value, _)) in _values)
            yield return new(name, value);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
