using Cairn.State;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>A reference to a storage, as it stands on the stack until a tensor is made of it.</summary>
/// <param name="storage">The storage.</param>
/// <param name="source">The bytes of the whole record.</param>
/// <param name="type">Element type; <see langword="null"/> for an untyped one, whose elements are bytes.</param>
/// <param name="byteOffset">Where it begins within the record: not 0 for the views of the older format.</param>
/// <param name="count">Elements.</param>
internal sealed class StorageReference(TorchStorage storage, StateTensor source, TensorType? type, long byteOffset, long count) : TorchValue
{
    private TorchTensorValue? _asTensor;

    public TorchStorage Storage { get; } = storage;
    public StateTensor Source { get; } = source;
    public TensorType? Type { get; } = type;
    public long ByteOffset { get; } = byteOffset;
    public long Count { get; } = count;

    /// <summary>A storage that was saved by itself is read as a tensor of one dimension.</summary>
    public TorchTensorValue AsTensor(PickleContext context) =>
        _asTensor ??= context.Tensors.View(context, this, Type ?? TensorType.U8, 0, [Count], [1]);
}

/// <summary>An array of numpy between its making and its filling.</summary>
internal sealed class UnbuiltArray : TorchValue
{
    public TorchValue? Built { get; set; }
}
