using System.Collections;
using System.Numerics;
using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>
/// A value in a file of PyTorch: what its pickle says, as data. Nothing of it was ever called. It keeps what
/// <see cref="StateNode"/> has no words for (integer keys, tuples, dtypes, shared storages), so that a file can be written again as it was.
/// </summary>
public abstract class TorchValue
{
    private protected TorchValue() { }

    /// <summary>The values that this one is made of, for walks that must not recurse.</summary>
    internal virtual int ChildCount => 0;
    internal virtual TorchValue ChildAt(int index) => throw new ArgumentOutOfRangeException(nameof(index));
    /// <summary>Puts another value at the place of one of them, where that can be done.</summary>
    internal virtual bool TryReplace(int index, TorchValue child) => false;

    /// <summary>A scalar of this value.</summary>
    public static implicit operator TorchValue(bool value) => new TorchScalar(value);
    /// <summary>A scalar of this value.</summary>
    public static implicit operator TorchValue(long value) => new TorchScalar(value);
    /// <summary>A scalar of this value.</summary>
    public static implicit operator TorchValue(double value) => new TorchScalar(value);
    /// <summary>A scalar of this value; <see langword="null"/> becomes <c>None</c>.</summary>
    public static implicit operator TorchValue(string? value) => value is null ? TorchScalar.None : new TorchScalar(value);
}

/// <summary>
/// <c>None</c>, a bool, an int, a float, a complex, a str or bytes. Numpy's scalars become these.
/// Equal values are equal, so that scalars can be keys.
/// </summary>
public sealed class TorchScalar : TorchValue, IEquatable<TorchScalar>
{
    /// <summary><c>None</c>.</summary>
    public static readonly TorchScalar None = new((object?)null);

    private TorchScalar(object? value) => Value = value;

    /// <summary>A bool.</summary>
    public TorchScalar(bool value) : this((object)value) { }
    /// <summary>An int of 64 bits.</summary>
    public TorchScalar(long value) : this((object)value) { }
    /// <summary>An int of any size; one that fits 64 bits is kept as a <see cref="long"/>.</summary>
    public TorchScalar(BigInteger value) : this(value >= long.MinValue && value <= long.MaxValue ? (object)(long)value : value) { }
    /// <summary>A float.</summary>
    public TorchScalar(double value) : this((object)value) { }
    /// <summary>A complex.</summary>
    public TorchScalar(Complex value) : this((object)value) { }
    /// <summary>A str.</summary>
    public TorchScalar(string value) : this((object)(value ?? throw new ArgumentNullException(nameof(value)))) { }
    /// <summary>Bytes; they are not copied.</summary>
    public TorchScalar(byte[] value) : this((object)(value ?? throw new ArgumentNullException(nameof(value)))) { }

    /// <summary><see langword="null"/>, <see cref="bool"/>, <see cref="long"/>, <see cref="BigInteger"/> (only beyond 64 bits), <see cref="double"/>, <see cref="Complex"/>, <see cref="string"/> or <see cref="byte"/>[].</summary>
    public object? Value { get; }

    /// <inheritdoc/>
    public bool Equals(TorchScalar? other) => other is not null
        && (Value is byte[] bytes ? other.Value is byte[] others && bytes.AsSpan().SequenceEqual(others) : Equals(Value, other.Value));
    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as TorchScalar);
    /// <inheritdoc/>
    public override int GetHashCode()
    {
        // Seeded, all bits: keys of a hostile file must not all meet in one bucket.
        var hash = new HashCode();
        switch (Value)
        {
            case long number: hash.Add((int)number); hash.Add((int)(number >> 32)); break;
            case double number: AddBits(ref hash, number); break;
            case Complex number: AddBits(ref hash, number.Real); AddBits(ref hash, number.Imaginary); break;
            case byte[] bytes: hash.AddBytes(bytes); break;
            default: hash.Add(Value); break;
        }
        return hash.ToHashCode();
    }

    private static void AddBits(ref HashCode hash, double number)
    {
        // Zeros are equal whatever their sign, and so are NaNs.
        long bits = number == 0 ? 0 : double.IsNaN(number) ? -1 : BitConverter.DoubleToInt64Bits(number);
        hash.Add((int)bits);
        hash.Add((int)(bits >> 32));
    }
    /// <inheritdoc/>
    public override string ToString() => Value?.ToString() ?? "None";
}

/// <summary>What kind of sequence a <see cref="TorchList"/> is in Python.</summary>
public enum TorchListKind
{
    /// <summary><c>list</c>.</summary>
    List,
    /// <summary><c>tuple</c>.</summary>
    Tuple,
    /// <summary><c>torch.Size</c>.</summary>
    Size,
    /// <summary><c>set</c>.</summary>
    Set,
    /// <summary><c>frozenset</c>.</summary>
    FrozenSet,
}

/// <summary>A list, tuple, <c>torch.Size</c>, set or frozenset.</summary>
public sealed class TorchList : TorchValue, IReadOnlyList<TorchValue>
{
    private const int MostShown = 4;

    private TorchValue[] _items;

    /// <summary>An empty sequence.</summary>
    public TorchList(TorchListKind kind) => (Kind, _items) = (kind, []);
    /// <summary>A sequence of these values.</summary>
    public TorchList(TorchListKind kind, IEnumerable<TorchValue> items) : this(kind)
    {
        foreach (TorchValue item in items)
            Add(item);
    }
    internal TorchList(TorchListKind kind, TorchValue[] items) => (Kind, _items, Count) = (kind, items, items.Length);

    /// <summary>The kind of sequence.</summary>
    public TorchListKind Kind { get; }
    /// <inheritdoc/>
    public TorchValue this[int index] => index < Count ? _items[index] : throw new ArgumentOutOfRangeException(nameof(index));
    /// <inheritdoc/>
    public int Count { get; private set; }
    /// <summary>Adds a value at the end.</summary>
    public void Add(TorchValue item)
    {
        ArgumentNullException.ThrowIfNull(item);
        // Most tuples are short and lists many: start small.
        if (Count == _items.Length)
            Array.Resize(ref _items, Math.Max(4, checked(Count * 2)));
        _items[Count++] = item;
    }
    /// <inheritdoc/>
    public IEnumerator<TorchValue> GetEnumerator()
    {
        for (int i = 0; i < Count; i++)
            yield return _items[i];
    }
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    /// <inheritdoc/>
    public override string ToString() => Count <= MostShown && this.All(item => item is TorchScalar) ? $"({string.Join(", ", this)})" : $"a {Kind.ToString().ToLowerInvariant()} of {Count}";

    internal void Replace(int index, TorchValue item) => _items[index] = item;
    internal override int ChildCount => Count;
    internal override TorchValue ChildAt(int index) => _items[index];
    internal override bool TryReplace(int index, TorchValue child)
    {
        _items[index] = child;
        return true;
    }
}

/// <summary>What kind of map a <see cref="TorchMap"/> is in Python.</summary>
public enum TorchMapKind
{
    /// <summary><c>dict</c>.</summary>
    Dict,
    /// <summary><c>collections.OrderedDict</c>.</summary>
    OrderedDict,
    /// <summary><c>collections.defaultdict</c>.</summary>
    DefaultDict,
    /// <summary><c>collections.Counter</c>.</summary>
    Counter,
}

/// <summary>A map in the order of its entries. Keys are mostly strings and ints, but may be any value that Python can hash.</summary>
public sealed class TorchMap(TorchMapKind kind = TorchMapKind.Dict) : TorchValue, IReadOnlyCollection<KeyValuePair<TorchValue, TorchValue>>
{
    // Scalars are equal by value, all else by reference: a reader that meets equal tuples as keys keeps both.
    private OrderedEntries<TorchValue, TorchValue>? _items;

    /// <summary>The kind of map.</summary>
    public TorchMapKind Kind { get; } = kind;
    /// <summary>Attributes that the object carries besides its entries, such as <c>_metadata</c> of a state dict; <see langword="null"/> for none.</summary>
    public TorchMap? Attributes { get; set; }
    /// <summary>What a <c>defaultdict</c> makes of a missing key, such as <c>builtins.list</c>; <see langword="null"/> for nothing.</summary>
    public TorchGlobal? DefaultFactory { get; init; }
    /// <inheritdoc/>
    public int Count => _items?.Count ?? 0;
    /// <summary>Gets or sets an entry; a new key goes to the end, and one that is there keeps its place.</summary>
    /// <exception cref="KeyNotFoundException">On get, when there is no such key.</exception>
    public TorchValue this[TorchValue key]
    {
        get => Find(key) ?? throw new KeyNotFoundException($"There is no entry '{key}'.");
        set => (_items ??= new()).Set(key, value ?? throw new ArgumentNullException(nameof(value)));
    }
    /// <summary>The value of a key, or <see langword="null"/>.</summary>
    public TorchValue? Find(TorchValue key) => _items is not null && _items.TryGetValue(key, out TorchValue? value) ? value : null;
    /// <summary>Adds an entry at the end.</summary>
    /// <exception cref="ArgumentException">The key is there.</exception>
    public void Add(TorchValue key, TorchValue value) => (_items ??= new()).Add(key, value ?? throw new ArgumentNullException(nameof(value)));
    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<TorchValue, TorchValue>> GetEnumerator() =>
        _items is null ? Enumerable.Empty<KeyValuePair<TorchValue, TorchValue>>().GetEnumerator() : _items.GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    /// <inheritdoc/>
    public override string ToString() => $"a dict of {Count}";

    internal override int ChildCount => (2 * Count) + (Attributes is null ? 0 : 1);
    internal override TorchValue ChildAt(int index) =>
        index == 2 * Count ? Attributes! : index % 2 == 0 ? _items!.At(index / 2).Key : _items!.At(index / 2).Value;
    internal override bool TryReplace(int index, TorchValue child)
    {
        if (index % 2 == 0)
            return false;
        _items!.SetAt(index / 2, child);
        return true;
    }
}

/// <summary>A class or function by its name, not called: a dtype such as <c>torch.float32</c>, or the class of a <see cref="TorchObject"/>.</summary>
/// <param name="module">The module, such as <c>torch</c>.</param>
/// <param name="name">The name in it; may have points.</param>
public sealed class TorchGlobal(string module, string name) : TorchValue
{
    // Asked for at every call of it.
    private string? _text;

    /// <summary>The module.</summary>
    public string Module { get; } = module;
    /// <summary>The name in the module.</summary>
    public string Name { get; } = name;
    /// <inheritdoc/>
    public override string ToString() => _text ??= $"{Module}.{Name}";
}

/// <summary>
/// An object of a class that is plain data (<c>torch.device</c>, the metadata of distributed checkpoints), or, when it was asked for,
/// one that this reader does not know and that can be listed but not used.
/// </summary>
/// <param name="type">Its class, or the function that Python would call to make it.</param>
/// <param name="arguments">What the class would be called with.</param>
/// <param name="isOpaque">Whether this reader does not know the class.</param>
public sealed class TorchObject(TorchGlobal type, TorchList arguments, bool isOpaque = false) : TorchValue
{
    /// <summary>Its class, or the function that Python would call to make it.</summary>
    public TorchGlobal Type { get; } = type;
    /// <summary>What the class would be called with.</summary>
    public TorchList Arguments { get; } = arguments;
    /// <summary>Whether it is made by <c>type.__new__(type, *arguments)</c>, as most classes of data are, and not by a call.</summary>
    public bool IsNew { get; init; }
    /// <summary>Arguments by name; <see langword="null"/> for none.</summary>
    public TorchMap? Keywords { get; init; }
    /// <summary>What it is given after it was made, mostly a map of its attributes; <see langword="null"/> for nothing.</summary>
    public TorchValue? State { get; set; }
    /// <summary>What is appended to it, when its class is a list; <see langword="null"/> for nothing.</summary>
    public TorchList? Items { get; set; }
    /// <summary>What is set in it by key, when its class is a dict; <see langword="null"/> for nothing.</summary>
    public TorchMap? Entries { get; set; }
    /// <summary>Whether this reader does not know the class.</summary>
    public bool IsOpaque { get; } = isOpaque;
    /// <inheritdoc/>
    public override string ToString() => $"{Type}(…)";

    internal override int ChildCount => 5;
    internal override bool TryReplace(int index, TorchValue child)
    {
        if (index != 2)
            return false;
        State = child;
        return true;
    }
    internal override TorchValue ChildAt(int index) => index switch
    {
        0 => Arguments,
        1 => Keywords,
        2 => State,
        3 => Items,
        _ => (TorchValue?)Entries,
    } ?? TorchScalar.None;
}
