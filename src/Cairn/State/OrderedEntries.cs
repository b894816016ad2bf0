namespace Cairn.State;

/// <summary>
/// The entries of a map in their order. A file may hold a hundred thousand maps of two entries each, so that a few stand in an array that is searched from its start; more get a table.
/// </summary>
internal sealed class OrderedEntries<TKey, TValue>(IEqualityComparer<TKey>? comparer = null) where TKey : notnull
{
    private const int Few = 8;

    private readonly IEqualityComparer<TKey> _comparer = comparer ?? EqualityComparer<TKey>.Default;
    private KeyValuePair<TKey, TValue>[] _few = [];
    private OrderedDictionary<TKey, TValue>? _many;
    private int _count;

    public int Count => _many?.Count ?? _count;

    public bool TryGetValue(TKey key, [System.Diagnostics.CodeAnalysis.MaybeNullWhen(false)] out TValue value)
    {
        if (_many is not null)
            return _many.TryGetValue(key, out value);
        int index = IndexOf(key);
        value = index < 0 ? default : _few[index].Value;
        return index >= 0;
    }

    public bool ContainsKey(TKey key) => _many?.ContainsKey(key) ?? IndexOf(key) >= 0;

    /// <summary>Sets an entry; a new key goes to the end, and one that is there keeps its place.</summary>
    public void Set(TKey key, TValue value)
    {
        if (_many is not null)
            _many[key] = value;
        else if (IndexOf(key) is >= 0 and var index)
            _few[index] = new(_few[index].Key, value);
        else
            Append(key, value);
    }

    /// <exception cref="ArgumentException">The key is there.</exception>
    public void Add(TKey key, TValue value)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (ContainsKey(key))
            throw new ArgumentException($"An entry with the key '{key}' is there already.", nameof(key));
        Append(key, value);
    }

    public KeyValuePair<TKey, TValue> At(int index) =>
        _many is not null ? _many.GetAt(index) : index < _count ? _few[index] : throw new ArgumentOutOfRangeException(nameof(index));

    public void SetAt(int index, TValue value)
    {
        TKey key = At(index).Key;
        if (_many is not null)
            _many.SetAt(index, value);
        else
            _few[index] = new(key, value);
    }

    public IEnumerator<KeyValuePair<TKey, TValue>> GetEnumerator()
    {
        for (int i = 0; i < Count; i++)
            yield return At(i);
    }

    private int IndexOf(TKey key)
    {
        for (int i = 0; i < _count; i++)
        {
            if (_comparer.Equals(_few[i].Key, key))
                return i;
        }
        return -1;
    }

    private void Append(TKey key, TValue value)
    {
        if (_many is null && _count < Few)
        {
            if (_count == _few.Length)
                Array.Resize(ref _few, _count == 0 ? 1 : Math.Min(Few, _count * 2));
            _few[_count++] = new(key, value);
            return;
        }
        if (_many is null)
        {
            _many = new OrderedDictionary<TKey, TValue>(2 * Few, _comparer);
            foreach ((TKey known, TValue its) in _few)
                _many.Add(known, its);
            (_few, _count) = ([], 0);
        }
        _many.Add(key, value);
    }
}
