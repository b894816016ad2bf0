using Cairn.State;

namespace Cairn.Formats.Torch.Distributed;

/// <summary>A chunk of a tensor. Its file of <c>torch.save</c> is opened when its first byte is asked for: a checkpoint of many ranks has many chunks, and a reader may need few.</summary>
internal sealed class ChunkTensor : StateTensor
{
    private readonly Lazy<StateTensor> _data;

    public ChunkTensor(DistributedCheckpoint checkpoint, DistributedTensor tensor, DistributedChunk chunk) : base(tensor.Type, [.. chunk.Sizes]) =>
        _data = new Lazy<StateTensor>(() => Open(checkpoint, tensor, chunk));

    public override void CopyTo(long offset, Span<byte> destination) => _data.Value.CopyTo(offset, destination);

    private StateTensor Open(DistributedCheckpoint checkpoint, DistributedTensor tensor, DistributedChunk chunk)
    {
        // Not disposed: the tensor reads from the file around it, which the checkpoint closes.
        TorchFile file = checkpoint.OpenAt(chunk.Place);
        return file.Root is TorchTensorValue { Data: { } data } && data.Type == Type && data.Shape.SequenceEqual(Shape)
            ? data
            : throw new CorruptDistributedCheckpointException(DistributedFault.ContentMismatch, file.Path, "the chunk is not what the metadata says", ToString(), file.Root.ToString()!, tensor.Name);
    }
}
