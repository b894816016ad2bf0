using Cairn.Stores;

namespace Cairn.Tests.Stores;

internal sealed class SimulatedReadableFile(byte[] content) : IReadableFile
{
    public long Length => content.Length;

    public int Read(long offset, Span<byte> destination)
    {
        if (offset >= content.Length)
            return 0;
        int count = (int)Math.Min(destination.Length, content.Length - offset);
        content.AsSpan((int)offset, count).CopyTo(destination);
        return count;
    }

    public void Dispose() { }
}

internal sealed class SimulatedWritableFile(SimulatedFileSystem fileSystem, string path, int inode) : IWritableFile
{
    public void Write(long offset, ReadOnlySpan<byte> block)
    {
        if (!block.IsEmpty)
            fileSystem.Write(path, inode, (int)offset, block);
    }

    public void Sync() => fileSystem.Sync(path, inode);

    public void Dispose() { }
}

/// <summary>As <see cref="DirectFile"/> writes: whole pages, here the last first, and the length at the end.</summary>
internal sealed class SimulatedDirectFile(SimulatedFileSystem fileSystem, string path, int inode, long length) : IWritableFile
{
    public void Write(long offset, ReadOnlySpan<byte> block)
    {
        (offset % AlignedMemory.Alignment).ShouldBe(0);
        if (offset + block.Length < length)
            (block.Length % AlignedMemory.Alignment).ShouldBe(0);
        byte[] pages = new byte[AlignedMemory.RoundUp(block.Length)];
        block.CopyTo(pages);
        for (int start = pages.Length - AlignedMemory.Alignment; start >= 0; start -= AlignedMemory.Alignment)
            fileSystem.Write(path, inode, (int)offset + start, pages.AsSpan(start, AlignedMemory.Alignment));
    }

    public void Sync()
    {
        fileSystem.Cut(path, inode, (int)length);
        fileSystem.Sync(path, inode);
    }

    public void Dispose() { }
}
