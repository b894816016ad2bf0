using Cairn.State;

namespace Cairn.Formats.Torch;

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
    private TorchValue? _attributes;

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
    internal TorchTensorValue(StateTensor data, TorchStorage storage, long offset, IReadOnlyList<long> strides, bool isParameter = false, bool requiresGrad = false)
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
    public bool RequiresGrad { get; internal set; }
    /// <summary>Python attributes that it carries, mostly a map; <see langword="null"/> for none.</summary>
    public TorchValue? Attributes { get => _attributes; init => _attributes = value; }
    /// <inheritdoc/>
    public override string ToString() => Data.ToString();

    internal override int ChildCount => Attributes is null ? 0 : 1;
    internal override TorchValue ChildAt(int index) => Attributes!;
    internal override bool TryReplace(int index, TorchValue child)
    {
        _attributes = child;
        return true;
    }

    /// <summary>The strides of a dense row-major tensor, in elements. Sizes of 0 count as 1, as in PyTorch.</summary>
    internal static long[] RowMajor(IReadOnlyList<long> shape)
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
