using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>Free space of this machine's file systems, and its reservation.</summary>
internal static class DiskSpace
{
    /// <summary>Bytes that can still be written where a path leads; <see langword="null"/> when it is not known.</summary>
    public static long? AvailableAt(string path)
    {
        try
        {
            return new DriveInfo(OperatingSystem.IsWindows() ? Path.GetPathRoot(path)! : path).AvailableFreeSpace;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Reserves space for a file that is to have this length, and has another one now.</summary>
    /// <exception cref="IOException">There is not as much; what was there is untouched.</exception>
    public static void Reserve(SafeFileHandle handle, string path, long present, long length)
    {
        if (length == 0)
            return;
        // Asked first, because a reservation that fails half way fills the disk for everybody until it is undone.
        if (AvailableAt(Path.GetDirectoryName(path)!) is { } available && length - present > available)
            throw new IOException($"There is no space for {length} bytes at '{path}': {available} bytes are free.", UnixCalls.NoSpace);
        if (OperatingSystem.IsWindows())
        {
            if (length > present)
                RandomAccess.SetLength(handle, length);
        }
        else if (OperatingSystem.IsLinux())
        {
            int error = UnixCalls.Reserve(handle, length);
            if (error == 0 || error == UnixCalls.NotSupported || error == UnixCalls.NotImplemented || error == UnixCalls.InvalidArgument)
                return;
            // Gives back what was reserved beyond the end.
            RandomAccess.SetLength(handle, present);
            throw UnixCalls.Failure($"reserving {length} bytes", path, error);
        }
    }
}
