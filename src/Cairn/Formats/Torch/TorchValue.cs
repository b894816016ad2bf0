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
    public override int GetHashCode() => Value is byte[] bytes ? bytes.Length : Value?.GetHashCode() ?? 0;
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
public sealed class TorchList(TorchListKind kind) : TorchValue, IReadOnlyList<TorchValue>
{
    private readonly List<TorchValue> _items = [];

    /// <summary>A sequence of these values.</summary>
    public TorchList(TorchListKind kind, IEnumerable<TorchValue> items) : this(kind) => _items.AddRange(items);

    /// <summary>The kind of sequence.</summary>
    public TorchListKind Kind { get; } = kind;
    /// <inheritdoc/>
    public TorchValue this[int index] => _items[index];
    /// <inheritdoc/>
    public int Count => _items.Count;
    /// <summary>Adds a value at the end.</summary>
    public void Add(TorchValue item) => _items.Add(item ?? throw new ArgumentNullException(nameof(item)));
    /// <inheritdoc/>
    public IEnumerator<TorchValue> GetEnumerator() => _items.GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
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
    private readonly OrderedDictionary<TorchValue, TorchValue> _items = [];

    /// <summary>The kind of map.</summary>
    public TorchMapKind Kind { get; } = kind;
    /// <summary>Attributes that the object carries besides its entries, such as <c>_metadata</c> of a state dict; <see langword="null"/> for none.</summary>
    public TorchMap? Attributes { get; set; }
    /// <inheritdoc/>
    public int Count => _items.Count;
    /// <summary>Gets or sets an entry; a new key goes to the end, and one that is there keeps its place.</summary>
    /// <exception cref="KeyNotFoundException">On get, when there is no such key.</exception>
    public TorchValue this[TorchValue key]
    {
        get => _items.TryGetValue(key, out TorchValue? value) ? value : throw new KeyNotFoundException($"There is no entry '{key}'.");
        set => _items[key] = value ?? throw new ArgumentNullException(nameof(value));
    }
    /// <summary>The value of a key, or <see langword="null"/>.</summary>
    public TorchValue? Find(TorchValue key) => _items.TryGetValue(key, out TorchValue? value) ? value : null;
    /// <summary>Adds an entry at the end.</summary>
    /// <exception cref="ArgumentException">The key is there.</exception>
    public void Add(TorchValue key, TorchValue value) => _items.Add(key, value ?? throw new ArgumentNullException(nameof(value)));
    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<TorchValue, TorchValue>> GetEnumerator() => _items.GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>A class or function by its name, not called: a dtype such as <c>torch.float32</c>, or the class of a <see cref="TorchObject"/>.</summary>
/// <param name="module">The module, such as <c>torch</c>.</param>
/// <param name="name">The name in it; may have points.</param>
public sealed class TorchGlobal(string module, string name) : TorchValue
{
    /// <summary>The module.</summary>
    public string Module { get; } = module;
    /// <summary>The name in the module.</summary>
    public string Name { get; } = name;
    /// <inheritdoc/>
    public override string ToString() => $"{Module}.{Name}";
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
    /// <summary>What it is given after it was made, mostly a map of its attributes; <see langword="null"/> for nothing.</summary>
    public TorchValue? State { get; set; }
    /// <summary>Whether this reader does not know the class.</summary>
    public bool IsOpaque { get; } = isOpaque;
    /// <inheritdoc/>
    public override string ToString() => $"{Type}(…)";
}

/// <summary>Memory that one or more tensors look into. In the file it is one record.</summary>
/// <param name="bytes">The bytes: a tensor of one dimension, of the storage's own type (<see cref="TensorType.U8"/> for an untyped one).</param>
/// <param name="location">Where it lived: <c>cpu</c>, <c>cuda:0</c>.</param>
public sealed class TorchStorage(StateTensor bytes, string location = "cpu")
{
    /// <summary>The bytes: a tensor of one dimension.</summary>
    public StateTensor Bytes { get; } = bytes;
    /// <summary>Where it lived.</summary>
    public string Location { get; } = location;
}

/// <summary>A tensor: a view into a storage.</summary>
public sealed class TorchTensorValue : TorchValue
{
    /// <summary>A whole tensor with a storage of its own.</summary>
    /// <param name="data">Its elements.</param>
    /// <param name="isParameter">Whether it is a <c>torch.nn.Parameter</c>.</param>
    public TorchTensorValue(StateTensor data, bool isParameter = false)
        : this(data, new TorchStorage(data), 0, RowMajor(data.Shape), isParameter, isParameter) { }

    /// <summary>A view.</summary>
    /// <param name="data">The elements that it shows, dense and row-major.</param>
    /// <param name="storage">The storage that it looks into.</param>
    /// <param name="offset">Elements before its first one.</param>
    /// <param name="strides">Elements from one to the next, for each dimension.</param>
    /// <param name="isParameter">Whether it is a <c>torch.nn.Parameter</c>.</param>
    /// <param name="requiresGrad">Whether it asks for gradients.</param>
    public TorchTensorValue(StateTensor data, TorchStorage storage, long offset, IReadOnlyList<long> strides, bool isParameter = false, bool requiresGrad = false)
    {
        (Data, Storage, Offset, Strides, IsParameter, RequiresGrad) = (data, storage, offset, strides, isParameter, requiresGrad);
    }

    /// <summary>The elements that it shows, dense and row-major. Views that are equal (storage, offset, shape, strides, type) have the same instance, as ties have.</summary>
    public StateTensor Data { get; }
    /// <summary>The storage that it looks into; two tensors that share memory have the same instance.</summary>
    public TorchStorage Storage { get; }
    /// <summary>Elements before its first one.</summary>
    public long Offset { get; }
    /// <summary>Elements from one to the next, for each dimension.</summary>
    public IReadOnlyList<long> Strides { get; }
    /// <summary>Whether it is a <c>torch.nn.Parameter</c>.</summary>
    public bool IsParameter { get; }
    /// <summary>Whether it asks for gradients.</summary>
    public bool RequiresGrad { get; }
    /// <inheritdoc/>
    public override string ToString() => Data.ToString();

    /// <summary>The strides of a dense row-major tensor, in elements. Sizes of 0 count as 1, as in PyTorch.</summary>
    public static long[] RowMajor(IReadOnlyList<long> shape)
    {
        long[] strides = new long[shape.Count];
        long step = 1;
        for (int i = shape.Count - 1; i >= 0; i--)
        {
            strides[i] = step;
            step = checked(step * Math.Max(1, shape[i]));
        }
        return strides;
    }
}
