using Cairn.State;

namespace Cairn.Formats;

/// <summary>Where a tensor will lie in a file.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Tensor">Its bytes.</param>
/// <param name="Offset">Offset of its first byte in the file; its length is the tensor's <see cref="StateTensor.ByteLength"/>.</param>
public readonly record struct TensorPlacement(string Name, StateTensor Tensor, long Offset);

/// <summary>A file that is planned to the byte and written in one pass, from first byte to last.</summary>
public interface IFileContent
{
    /// <summary>Bytes of the whole file.</summary>
    long Length { get; }

    /// <summary>The tensors in file order.</summary>
    IReadOnlyList<TensorPlacement> Tensors { get; }

    /// <summary>
    /// Gives the file's bytes to a sink, from first to last, in blocks of at most <see cref="BlockWriter.BlockLength"/>. May be called
    /// again; the bytes are equal while the tensors are.
    /// </summary>
    /// <exception cref="CheckpointException">A tensor comes from a file that could not be read.</exception>
    void WriteTo(BlockSink sink);
}
