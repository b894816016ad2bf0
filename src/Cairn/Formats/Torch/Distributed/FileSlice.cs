using Cairn.Storage;

namespace Cairn.Formats.Torch.Distributed;

/// <summary>A stretch of a file, read as a file of its own. The file stays open when it is disposed.</summary>
internal sealed class FileSlice(IReadableFile file, long offset, long length) : IReadableFile
{
    public long Length => length;

    public int Read(long at, Span<byte> destination)
    {
        if (at >= length)
            return 0;
        return file.Read(offset + at, destination[..(int)Math.Min(destination.Length, length - at)]);
    }

    public void Dispose()
    {
        // Others read from the same file.
    }
}
