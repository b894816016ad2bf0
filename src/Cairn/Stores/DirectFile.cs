using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>
/// A local file that is written past the page cache: memory of new files there is slow to get, and would push out what training reads. On Linux only. A file system
/// that takes no such block after all gets it, and all that follow, through the page cache.
/// </summary>
internal sealed class DirectFile : IBlockFile
{
    private readonly SafeFileHandle _handle;

    private DirectFile(SafeFileHandle handle) => _handle = handle;

    /// <summary>Turns an open file into one; <see langword="null"/> where the system or the file system has no direct I/O.</summary>
    /// <param name="handle">The file.</param>
    /// <param name="length">Bytes that it will have. It has them at once: writes that make a file longer come one after the other.</param>
    public static DirectFile? TryTake(SafeFileHandle handle, long length)
    {
        if (!OperatingSystem.IsLinux() || !UnixCalls.SetDirect(handle, isDirect: true))
            return null;
        LocalWritableFile.SetLength(handle, length);
        return new DirectFile(handle);
    }

    public void Write(long offset, ReadOnlySpan<byte> block)
    {
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

    public void SetLength(long length) => LocalWritableFile.SetLength(_handle, length);

    public void Sync() => RandomAccess.FlushToDisk(_handle);

    public void Dispose() => _handle.Dispose();
}
