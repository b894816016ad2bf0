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
    private int _position;

    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return;
        fileSystem.Write(path, inode, _position, bytes);
        _position += bytes.Length;
    }

    public void Sync() => fileSystem.Sync(path, inode);

    public void Dispose() { }
}

internal sealed class SimulatedBlockFile(SimulatedFileSystem fileSystem, string path, int inode) : IBlockFile
{
    public void Write(long offset, ReadOnlySpan<byte> block)
    {
        (offset % AlignedMemory.Alignment).ShouldBe(0);
        (block.Length % AlignedMemory.Alignment).ShouldBe(0);
        fileSystem.Write(path, inode, (int)offset, block);
    }

    public void SetLength(long length) => fileSystem.Cut(path, inode, (int)length);

    public void Sync() => fileSystem.Sync(path, inode);

    public void Dispose() { }
}
