using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>A local file open for reading.</summary>
internal sealed class LocalReadableFile(SafeFileHandle handle) : IReadableFile, IIdentifiedFile
{
    public FileStatus? Status => OperatingSystem.IsWindows() ? null : FileStatus.Of(handle, "");

    public long Length { get; } = RandomAccess.GetLength(handle);

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

    public void Dispose() => handle.Dispose();
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
