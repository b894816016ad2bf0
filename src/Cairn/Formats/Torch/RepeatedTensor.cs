using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>
/// A view that shows the elements of its storage so often that it stands for far more than its file holds. It has a type and a shape, and its elements are not
/// read: a small file must not become any amount of data.
/// </summary>
/// <param name="path">The file, for messages.</param>
/// <param name="type">Element type of the view.</param>
/// <param name="shape">Its sizes.</param>
internal sealed class RepeatedTensor(string path, TensorType type, long[] shape) : StateTensor(type, shape)
{
    public override void CopyTo(long offset, Span<byte> destination) => throw new CorruptCheckpointException(
        $"'{path}': a tensor {this} shows its elements so often that it stands for far more than the file holds, so they are not read. Save a clone() of the tensor.")
    {
        Path = path,
    };
}
