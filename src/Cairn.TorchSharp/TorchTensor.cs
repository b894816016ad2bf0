using Cairn.State;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>
/// A live <see cref="torch.Tensor"/> as a tensor of the state. Dense row-major CPU tensors of any size are read where they
/// lie; of others (strided, conjugated or on a device) some rows at a time are made dense in CPU memory, so that there is never a second copy of the whole.
/// Valid while the tensor is neither disposed nor moved.
/// </summary>
public sealed unsafe class TorchTensor : StateTensor
{
    private readonly torch.Tensor _tensor;
    private readonly Lazy<nint?> _address;

    /// <summary>A view of this tensor; nothing is copied yet.</summary>
    /// <exception cref="CheckpointException">The tensor is sparse, quantized, on the meta device, or of a dtype that checkpoints lack.</exception>
    public TorchTensor(torch.Tensor tensor) : base(TypeOf(tensor), tensor.shape)
    {
        _tensor = tensor;
        _address = new(() => LiesDense(_tensor) ? AddressOf(_tensor) : null);
    }

    /// <summary>Whether the bytes are read where they lie, without a copy.</summary>
    public bool IsZeroCopy => LiesDense(_tensor);

    /// <inheritdoc/>
    public override void CopyTo(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        if (_address.Value is { } address)
        {
            new ReadOnlySpan<byte>((byte*)address + offset, destination.Length).CopyTo(destination);
        }
        else
        {
            RowCopy.Read(_tensor, offset, destination);
        }
        GC.KeepAlive(this);
    }

    /// <inheritdoc/>
    public override IDisposable Hold()
    {
        // Who copies it later, on another thread, must not need the tensor itself: its owner may have disposed it by then.
        _ = _address.Value;
        return _tensor.detach().DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public override bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        CheckRange(offset, length);
        nint? address = _address.Value;
        bytes = address is { } start ? new ReadOnlySpan<byte>((byte*)start + offset, length) : default;
        return address is not null;
    }

    /// <summary>
    /// Fills an existing tensor in place with the bytes of <paramref name="source"/>, which must have its dtype and shape.
    /// Dense CPU tensors are written where they lie; others some rows at a time. Autograd does not see it.
    /// </summary>
    /// <exception cref="CheckpointException">Type or shape differ (nothing was written), or the source could not be read.</exception>
    public static void Fill(torch.Tensor destination, StateTensor source) => new TensorFilling([(destination, source)]).Run();

    /// <summary>Where the bytes of <paramref name="source"/> go; <see langword="null"/> when the tensor is not one stretch of CPU memory.</summary>
    /// <exception cref="CheckpointException">Type or shape differ.</exception>
    internal static nint? PlaceFor(torch.Tensor destination, StateTensor source)
    {
        TensorType type = TypeOf(destination);
        if (type == source.Type && destination.shape.AsSpan().SequenceEqual(source.Shape.ToArray()))
            return LiesDense(destination) ? AddressOf(destination) : null;
        string expected = Describe(type, destination.shape);
        throw new CheckpointException($"A tensor {source} does not fit into {expected}: checkpoints are never cast or broadcast. Build the model as it was saved.")
        {
            Expected = expected,
            Found = source.ToString(),
        };
    }

    /// <summary>Where a dense CPU tensor lies, and its element type.</summary>
    /// <exception cref="CheckpointException">It is not dense, or not on the CPU.</exception>
    internal static (nint Address, TensorType Type) MemoryOf(torch.Tensor tensor)
    {
        TensorType type = TypeOf(tensor);
        return LiesDense(tensor) ? (AddressOf(tensor), type)
            : throw new CheckpointException($"{Describe(type, tensor.shape)} on {tensor.device} with strides [{string.Join(", ", tensor.stride())}] is not one stretch of memory. Pass a dense CPU tensor: contiguous() makes one.");
    }

    internal static string Describe(TensorType type, IEnumerable<long> shape) => $"{type}[{string.Join(", ", shape)}]";

    /// <summary>The same for tensors that share storage, type, shape and strides.</summary>
    internal static (nint, TensorType, string) IdentityOf(torch.Tensor tensor)
    {
        TensorType type = TypeOf(tensor);
        if (tensor.NumberOfElements == 0 || tensor.device_type != DeviceType.CPU)
            return (tensor.Handle, type, "");
        return (AddressOf(tensor), type, $"{string.Join(',', tensor.shape)}:{string.Join(',', tensor.stride())}");
    }

    /// <summary>The same for tensors that share memory, at whatever place of it. Of those on a device that cannot be told, and all are the same.</summary>
    internal static nint StorageOf(torch.Tensor tensor) =>
        tensor.device_type == DeviceType.CPU && tensor.NumberOfElements > 0 ? AddressOf(tensor) - (nint)(tensor.storage_offset() * tensor.ElementSize) : -1;

    private static TensorType TypeOf(torch.Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.is_sparse || tensor.is_meta)
            throw new CheckpointException($"A checkpoint cannot hold a {(tensor.is_meta ? "meta" : "sparse")} tensor. Make it dense (to_dense) and give it memory before saving or restoring.");
        return tensor.dtype.ToTensorType();
    }

    private static bool LiesDense(torch.Tensor tensor) =>
        tensor.device_type == DeviceType.CPU && tensor.is_contiguous() && !tensor.is_neg() && !(tensor.is_complex() && tensor.is_conj());

    // A one-element view works for tensors over 2 GiB and for strided ones, where tensor.bytes refuses.
    internal static nint AddressOf(torch.Tensor tensor)
    {
        if (tensor.NumberOfElements == 0)
            return 0;
        using torch.Tensor detached = tensor.detach();
        using torch.Tensor first = detached.as_strided([1], [1], tensor.storage_offset());
        fixed (byte* address = first.bytes)
            return (nint)address;
    }

    private void CheckRange(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, ByteLength - offset);
    }
}
