using Cairn.Formats;

namespace Cairn.Layouts;

/// <summary>A file of a checkpoint, planned to the byte. It refers to the state's tensors and reads them when it is written.</summary>
/// <param name="Part">The part of the state that it holds.</param>
/// <param name="Name">Its name in the checkpoint's folder.</param>
/// <param name="Content">Its bytes.</param>
public sealed record PlannedFile(string Part, string Name, IFileContent Content)
{
    /// <summary>Its bytes.</summary>
    public long Length => Content.Length;
    /// <summary>Its tensors in file order, each with its offset in the file.</summary>
    public IReadOnlyList<TensorPlacement> Tensors => Content.Tensors;

    /// <summary>Whether a snapshot with NaN or infinity in it may be refused.</summary>
    internal bool LooksForNonFinite => Part == "model";

    /// <inheritdoc cref="IFileContent.WriteTo"/>
    public void WriteTo(BlockSink sink) => Content.WriteTo(sink);
}

/// <summary>A small file that is made in memory.</summary>
internal sealed class BytesContent(ReadOnlyMemory<byte> bytes) : IRangedContent
{
    public long Length => bytes.Length;
    public IReadOnlyList<TensorPlacement> Tensors => [];

    public void WriteTo(BlockSink sink)
    {
        using var blocks = new BlockWriter(sink);
        blocks.Write(bytes.Span);
    }

    public void Read(long offset, Span<byte> destination) => bytes.Span.Slice((int)offset, destination.Length).CopyTo(destination);

    public bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> span)
    {
        span = bytes.Span.Slice((int)offset, length);
        return true;
    }
}
