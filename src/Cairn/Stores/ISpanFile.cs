namespace Cairn.Stores;

/// <summary>A file whose bytes may lie in memory.</summary>
internal interface ISpanFile : IReadableFile
{
    /// <summary>Gives bytes within the file without a copy; <see langword="false"/> when they do not lie in memory. Valid until the file is disposed.</summary>
    bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes);
}

/// <summary>An open file that the system can tell from all others: while it is open, no other file has its device and inode.</summary>
internal interface IIdentifiedFile : IReadableFile
{
    /// <summary>What the system says about it; <see langword="null"/> where it does not say.</summary>
    FileStatus? Status { get; }
}

/// <summary>A part of a file that reads like a file of its own.</summary>
/// <param name="file">The file.</param>
/// <param name="start">Offset of the part's first byte.</param>
/// <param name="length">Bytes of the part, which must lie within the file.</param>
/// <param name="leaveOpen">Whether the file stays open when the part is disposed.</param>
internal sealed class FileSlice(IReadableFile file, long start, long length, bool leaveOpen = true) : ISpanFile
{
    public long Length { get; } = start >= 0 && length >= 0 && start <= file.Length - length ? length
        : throw new ArgumentOutOfRangeException(nameof(length), length, $"{length} bytes at {start} do not lie within the {file.Length} bytes of the file.");

    public int Read(long offset, Span<byte> destination) =>
        file.Read(start + offset, destination[..(int)Math.Min(destination.Length, Math.Max(0, Length - offset))]);

    public bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        return offset >= 0 && offset <= Length - length && file is ISpanFile span && span.TryGetSpan(start + offset, length, out bytes);
    }

    public void Dispose()
    {
        if (!leaveOpen)
            file.Dispose();
    }
}

/// <summary>Bytes in memory that read like a file.</summary>
internal sealed class MemoryFile(ReadOnlyMemory<byte> bytes) : ISpanFile
{
    public long Length => bytes.Length;

    public int Read(long offset, Span<byte> destination)
    {
        int length = (int)Math.Min(destination.Length, Math.Max(0, bytes.Length - offset));
        if (length > 0)
            bytes.Span.Slice((int)offset, length).CopyTo(destination);
        return length;
    }

    public bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> span)
    {
        span = bytes.Span.Slice(checked((int)offset), length);
        return true;
    }

    public void Dispose() { }
}
