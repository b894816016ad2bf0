using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>
/// A local file that is written past the page cache: memory of new files there is slow to get, and would push out what training reads. On Linux only. A file system
/// that takes no such block after all gets it, and all that follow, through the page cache. The last page is written whole, and the file then cut to its length: until it is synced, it
/// may have another one.
/// </summary>
internal sealed class DirectFile : IWritableFile
{
    private readonly SafeFileHandle _handle;
    private readonly long _length;

    private DirectFile(SafeFileHandle handle, long length) => (_handle, _length) = (handle, length);

    /// <summary>Turns an open file into one; <see langword="null"/> where the system or the file system has no direct I/O.</summary>
    /// <param name="handle">The file.</param>
    /// <param name="length">Bytes that it will have. It has them at once: writes that make a file longer come one after the other.</param>
    public static DirectFile? TryTake(SafeFileHandle handle, long length)
    {
        if (!OperatingSystem.IsLinux() || !UnixCalls.SetDirect(handle, isDirect: true))
            return null;
        LocalWritableFile.SetLength(handle, AlignedMemory.RoundUp(length));
        return new DirectFile(handle, length);
    }

    public bool WantsPages => true;

    public void Write(long offset, ReadOnlySpan<byte> block)
    {
        int whole = block.Length;
        if (offset + block.Length == _length)
            whole -= block.Length % AlignedMemory.Alignment;
        if (AlignedMemory.IsAligned(block))
            WriteWhole(offset, block[..whole]);
        else
            WriteCopied(offset, block[..whole], whole);
        if (whole < block.Length)
            WriteCopied(offset + whole, block[whole..], AlignedMemory.Alignment);
    }

    public void Sync()
    {
        LocalWritableFile.SetLength(_handle, _length);
        RandomAccess.FlushToDisk(_handle);
    }

    public void Dispose() => _handle.Dispose();

    // Through memory that is aligned, and zeros up to a length.
    private void WriteCopied(long offset, ReadOnlySpan<byte> bytes, int length)
    {
        using IMemoryOwner<byte> memory = AlignedMemory.Shared.Rent();
        for (int start = 0; start < length; start += AlignedMemory.Shared.BlockBytes)
        {
            Span<byte> block = memory.Memory.Span[..Math.Min(AlignedMemory.Shared.BlockBytes, length - start)];
            ReadOnlySpan<byte> part = bytes[start..Math.Min(bytes.Length, start + block.Length)];
            part.CopyTo(block);
            block[part.Length..].Clear();
            WriteWhole(offset + start, block);
        }
    }

    private void WriteWhole(long offset, ReadOnlySpan<byte> block)
    {
        if (block.IsEmpty)
            return;
        try
        {
            LocalWritableFile.WriteAt(_handle, offset, block);
        }
        // EINVAL: it wants larger blocks than any known disk, or wants none at all.
        catch (IOException e) when (e.HResult == UnixCalls.InvalidArgument && UnixCalls.SetDirect(_handle, isDirect: false))
        {
            LocalWritableFile.WriteAt(_handle, offset, block);
        }
    }
}
