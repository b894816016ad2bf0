using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Cairn.State;

/// <summary>A value in a part of the state: a <see cref="StateMap"/>, <see cref="StateList"/>, <see cref="StateScalar"/> or <see cref="StateTensor"/>.</summary>
public abstract class StateNode
{
    private protected StateNode() { }

    /// <summary>A scalar node of this value.</summary>
    public static implicit operator StateNode(bool value) => new StateScalar(value);
    /// <summary>A scalar node of this value.</summary>
    public static implicit operator StateNode(long value) => new StateScalar(value);
    /// <summary>A scalar node of this value.</summary>
    public static implicit operator StateNode(double value) => new StateScalar(value);
    /// <summary>A scalar node of this value; <see langword="null"/> becomes the null scalar.</summary>
    public static implicit operator StateNode(string? value) => new StateScalar(value);
}

/// <summary>An ordered map from names to nodes. Every part of the state is one.</summary>
public sealed class StateMap : StateNode, IReadOnlyDictionary<string, StateNode>
{
    private readonly OrderedEntries<string, StateNode> _items = new(StringComparer.Ordinal);

    /// <summary>Gets or sets an entry; a new name goes to the end.</summary>
    /// <exception cref="KeyNotFoundException">On get, when there is no such name.</exception>
    public StateNode this[string name]
    {
        get => _items.TryGetValue(name, out StateNode? node) ? node : throw new KeyNotFoundException($"The state has no entry '{name}'.");
        set => _items.Set(name, value ?? throw new ArgumentNullException(nameof(value)));
    }

    /// <inheritdoc/>
    public int Count => _items.Count;
    /// <inheritdoc/>
    public IEnumerable<string> Keys => this.Select(static entry => entry.Key);
    /// <inheritdoc/>
    public IEnumerable<StateNode> Values => this.Select(static entry => entry.Value);

    /// <summary>Adds an entry at the end.</summary>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public void Add(string name, StateNode node) => _items.Add(name, node ?? throw new ArgumentNullException(nameof(node)));
    /// <inheritdoc/>
    public bool ContainsKey(string key) => _items.ContainsKey(key);
    /// <inheritdoc/>
    public bool TryGetValue(string key, [MaybeNullWhen(false)] out StateNode value) => _items.TryGetValue(key, out value);
    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, StateNode>> GetEnumerator() => _items.GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>The entry at a place in the order.</summary>
    internal KeyValuePair<string, StateNode> At(int index) => _items.At(index);

    /// <summary>Gives the entry at a place another node.</summary>
    internal void SetAt(int index, StateNode node) => _items.SetAt(index, node);
}

/// <summary>A list of nodes.</summary>
public sealed class StateList : StateNode, IReadOnlyList<StateNode>
{
    private readonly List<StateNode> _items = [];

    /// <summary>An empty list.</summary>
    public StateList() { }
    /// <summary>A list of these nodes.</summary>
    public StateList(IEnumerable<StateNode> items) => _items.AddRange(items);

    /// <inheritdoc/>
    public StateNode this[int index] => _items[index];
    /// <inheritdoc/>
    public int Count => _items.Count;
    /// <summary>Adds a node at the end.</summary>
    public void Add(StateNode node) => _items.Add(node ?? throw new ArgumentNullException(nameof(node)));

    /// <summary>Puts another node in a place.</summary>
    internal void SetAt(int index, StateNode node) => _items[index] = node;
    /// <inheritdoc/>
    public IEnumerator<StateNode> GetEnumerator() => _items.GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>A null, <see cref="bool"/>, <see cref="long"/>, <see cref="double"/> or <see cref="string"/>.</summary>
public sealed class StateScalar : StateNode
{
    /// <summary>The null scalar.</summary>
    public static readonly StateScalar Null = new((string?)null);

    internal StateScalar(bool value) => Value = value;
    internal StateScalar(long value) => Value = value;
    internal StateScalar(double value) => Value = value;
    internal StateScalar(string? value) => Value = value;

    /// <summary>The value: <see langword="null"/>, <see cref="bool"/>, <see cref="long"/>, <see cref="double"/> or <see cref="string"/>.</summary>
    public object? Value { get; }

    /// <summary>
    /// Whether both are one value. NaN is NaN, whichever of its bits a program left: no layout keeps them. The two zeros are two values.
    /// </summary>
    internal bool IsSame(StateScalar other) => (Value, other.Value) switch
    {
        (double one, double two) => double.IsNaN(one) ? double.IsNaN(two) : BitConverter.DoubleToInt64Bits(one) == BitConverter.DoubleToInt64Bits(two),
        _ => Equals(Value, other.Value),
    };
}
