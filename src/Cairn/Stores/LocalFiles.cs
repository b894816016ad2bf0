using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>A local file open for reading.</summary>
/// <param name="handle">The file.</param>
/// <param name="mayBeDirect">Whether it may be read past the page cache.</param>
internal sealed class LocalReadableFile(SafeFileHandle handle, bool mayBeDirect = false) : IIdentifiedFile, ICachedFile, IMappableFile
{
    // Of a short read the disk's own time counts, and a page of the cache is as good as any.
    private const int DirectFrom = 1 << 20;

    private readonly Lock _opening = new();
    private SafeFileHandle? _direct;
    private volatile bool _mayBeDirect = mayBeDirect && OperatingSystem.IsLinux();

    public int BlockBytes => 4 << 20;

    public FileStatus? Status => OperatingSystem.IsWindows() ? null : FileStatus.Of(handle, "");

    public long Length { get; } = RandomAccess.GetLength(handle);

    public PrivateMapping? Map() => PrivateMapping.Of(handle, Length);

    public int Read(long offset, Span<byte> destination)
    {
        int total = 0;
        while (total < destination.Length)
        {
            int read = RandomAccess.Read(handle, destination[total..], offset + total);
            if (read == 0)
                break;
            total += read;
        }
        return total;
    }

    public bool IsCached(long offset, int length)
    {
        const int NearlyAll = 8;
        if (!OperatingSystem.IsLinux() || length == 0)
            return false;
        (int cached, int pages) = UnixMemory.CountCached(handle, offset, length);
        return pages > 0 && cached >= pages - pages / NearlyAll;
    }

    public int ReadOnce(long offset, Span<byte> destination)
    {
        if (destination.Length < DirectFrom || offset % AlignedMemory.Alignment != 0 || destination.Length % AlignedMemory.Alignment != 0 || !AlignedMemory.IsAligned(destination) || Direct() is not { } direct)
            return Read(offset, destination);
        try
        {
            // At the end of the file it gives less.
            int read = RandomAccess.Read(direct, destination, offset);
            return read == destination.Length ? read : read + Read(offset + read, destination[read..]);
        }
        catch (IOException e) when (e.HResult == UnixCalls.InvalidArgument)
        {
            // It wants larger blocks than any known disk, or wants none at all.
            _mayBeDirect = false;
            return Read(offset, destination);
        }
    }

    public void Dispose()
    {
        handle.Dispose();
        lock (_opening)
            _direct?.Dispose();
    }

    private SafeFileHandle? Direct()
    {
        if (!_mayBeDirect)
            return null;
        lock (_opening)
        {
            _direct ??= UnixCalls.OpenDirect(handle);
            _mayBeDirect = _direct is not null;
            return _direct;
        }
    }
}

/// <summary>A local file open for writing.</summary>
internal sealed class LocalWritableFile(SafeFileHandle handle) : IWritableFile
{
    // Left alone, the kernel keeps gigabytes in memory and the disk idles until the final fsync.
    private const int StartWritingFrom = 1 << 20;

    /// <summary>Writes at a place of a file.</summary>
    /// <exception cref="IOException">Among others: the file would be longer than a limit allows.</exception>
    public static void WriteAt(SafeFileHandle handle, long offset, ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(handle, bytes, offset);
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw TooLarge(handle, e);
        }
    }

    /// <summary>Makes a file longer or shorter.</summary>
    /// <inheritdoc cref="WriteAt"/>
    public static void SetLength(SafeFileHandle handle, long length)
    {
        try
        {
            RandomAccess.SetLength(handle, length);
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw TooLarge(handle, e);
        }
    }

    // .NET's word for a limit of the size of files, of the process or of the file system, is that of a wrong argument.
    private static IOException TooLarge(SafeFileHandle handle, ArgumentOutOfRangeException error) =>
        new($"File too large: a file may not grow beyond {RandomAccess.GetLength(handle)} bytes here. Look at 'ulimit -f' and the file system's limit.", error);

    public void Write(long offset, ReadOnlySpan<byte> block)
    {
        WriteAt(handle, offset, block);
        if (OperatingSystem.IsLinux() && block.Length >= StartWritingFrom)
            UnixCalls.StartWriting(handle, offset, block.Length);
    }

    public void Sync() => RandomAccess.FlushToDisk(handle);

    public void Dispose() => handle.Dispose();
}
