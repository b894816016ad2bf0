using System.Diagnostics.CodeAnalysis;

namespace System.Collections.Generic;

/// <summary>.NET 9's dictionary that keeps the order in which its keys were added. Looking up and adding take constant time, removing takes linear time, as there.</summary>
internal class OrderedDictionary<TKey, TValue> : IDictionary<TKey, TValue>, IReadOnlyDictionary<TKey, TValue> where TKey : notnull
{
    private readonly Dictionary<TKey, int> _places;
    private readonly List<KeyValuePair<TKey, TValue>> _entries;

    public OrderedDictionary() : this(0, null) { }

    public OrderedDictionary(IEqualityComparer<TKey>? comparer) : this(0, comparer) { }

    public OrderedDictionary(int capacity, IEqualityComparer<TKey>? comparer) => (_places, _entries) = (new(capacity, comparer), new(capacity));

    public OrderedDictionary(IEnumerable<KeyValuePair<TKey, TValue>> collection, IEqualityComparer<TKey>? comparer) : this(0, comparer)
    {
        foreach ((TKey key, TValue value) in collection)
            Add(key, value);
    }

    public int Count => _entries.Count;
    public ICollection<TKey> Keys => new KeyCollection(this);
    public ICollection<TValue> Values => new ValueCollection(this);
    IEnumerable<TKey> IReadOnlyDictionary<TKey, TValue>.Keys => Keys;
    IEnumerable<TValue> IReadOnlyDictionary<TKey, TValue>.Values => Values;
    bool ICollection<KeyValuePair<TKey, TValue>>.IsReadOnly => false;

    public TValue this[TKey key]
    {
        get => TryGetValue(key, out TValue? value) ? value : throw new KeyNotFoundException($"The given key '{key}' was not present in the dictionary.");
        set
        {
            if (_places.TryGetValue(key, out int place))
                SetAt(place, value);
            else
                Add(key, value);
        }
    }

    public void Add(TKey key, TValue value)
    {
        _places.Add(key, _entries.Count);
        _entries.Add(new(key, value));
    }

    public bool TryAdd(TKey key, TValue value)
    {
        if (!_places.TryAdd(key, _entries.Count))
            return false;
        _entries.Add(new(key, value));
        return true;
    }

    public bool Remove(TKey key) => Remove(key, out _);

    public bool Remove(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        if (!_places.Remove(key, out int place))
        {
            value = default;
            return false;
        }
        value = _entries[place].Value;
        _entries.RemoveAt(place);
        for (int i = place; i < _entries.Count; i++)
            _places[_entries[i].Key] = i;
        return true;
    }

    public void Clear()
    {
        _places.Clear();
        _entries.Clear();
    }

    public bool ContainsKey(TKey key) => _places.ContainsKey(key);

    public bool TryGetValue(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        bool found = _places.TryGetValue(key, out int place);
        value = found ? _entries[place].Value : default;
        return found;
    }

    /// <summary>The place of a key in the order; -1 when there is none.</summary>
    public int IndexOf(TKey key) => _places.TryGetValue(key, out int place) ? place : -1;

    public KeyValuePair<TKey, TValue> GetAt(int index) => _entries[index];

    public void SetAt(int index, TValue value) => _entries[index] = new(_entries[index].Key, value);

    public List<KeyValuePair<TKey, TValue>>.Enumerator GetEnumerator() => _entries.GetEnumerator();
    IEnumerator<KeyValuePair<TKey, TValue>> IEnumerable<KeyValuePair<TKey, TValue>>.GetEnumerator() => GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    void ICollection<KeyValuePair<TKey, TValue>>.Add(KeyValuePair<TKey, TValue> item) => Add(item.Key, item.Value);
    bool ICollection<KeyValuePair<TKey, TValue>>.Contains(KeyValuePair<TKey, TValue> item) => Has(item);
    void ICollection<KeyValuePair<TKey, TValue>>.CopyTo(KeyValuePair<TKey, TValue>[] array, int arrayIndex) => _entries.CopyTo(array, arrayIndex);
    bool ICollection<KeyValuePair<TKey, TValue>>.Remove(KeyValuePair<TKey, TValue> item) => Has(item) && Remove(item.Key);

    private bool Has(KeyValuePair<TKey, TValue> item) => TryGetValue(item.Key, out TValue? value) && EqualityComparer<TValue>.Default.Equals(value, item.Value);

    private sealed class KeyCollection(OrderedDictionary<TKey, TValue> owner) : View<TKey>(owner)
    {
        public override bool Contains(TKey item) => Owner.ContainsKey(item);
        protected override TKey Of(KeyValuePair<TKey, TValue> entry) => entry.Key;
    }

    private sealed class ValueCollection(OrderedDictionary<TKey, TValue> owner) : View<TValue>(owner)
    {
        protected override TValue Of(KeyValuePair<TKey, TValue> entry) => entry.Value;
    }

    /// <summary>The keys or the values, in order; read-only.</summary>
    private abstract class View<T>(OrderedDictionary<TKey, TValue> owner) : ICollection<T>
    {
        protected OrderedDictionary<TKey, TValue> Owner => owner;

        public int Count => owner.Count;
        public bool IsReadOnly => true;

        public virtual bool Contains(T item) => Enumerable.Contains(this, item, EqualityComparer<T>.Default);

        public void CopyTo(T[] array, int arrayIndex)
        {
            foreach (T item in this)
                array[arrayIndex++] = item;
        }

        public IEnumerator<T> GetEnumerator()
        {
            foreach (KeyValuePair<TKey, TValue> entry in owner)
                yield return Of(entry);
        }

        protected abstract T Of(KeyValuePair<TKey, TValue> entry);

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
        void ICollection<T>.Add(T item) => throw new NotSupportedException();
        bool ICollection<T>.Remove(T item) => throw new NotSupportedException();
        void ICollection<T>.Clear() => throw new NotSupportedException();
    }
}
