using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>Calls of the C library that .NET does not offer: folder fsync, exchange of names, reserved space, locks, advice. By hand, because no package that is kept has renameat2, leases and sync_file_range.</summary>
internal static partial class UnixCalls
{
    public const int ReadOnly = 0, WriteOnly = 1, ReadWrite = 2;
    public const int NotPermitted = 1, NotFound = 2, Interrupted = 4, AccessDenied = 13, Exists = 17, CrossDevice = 18, NotFolder = 20, InvalidArgument = 22, NoSpace = 28, TooManyLinks = 31;

    private const int LockExclusive = 2, LockNonBlocking = 4, LockRelease = 8;
    private const int FullFsync = 51;
    private const uint RenameSwap = 2;
    private const int MaxTries = 100;
    private const int CurrentFolder = -100;

    public static int AppendFlag => OperatingSystem.IsLinux() ? 0x400 : 0x8;
    public static int NotSupported => OperatingSystem.IsLinux() ? 95 : 45;
    public static int NotImplemented => OperatingSystem.IsLinux() ? 38 : 78;
    public static int NonBlocking => OperatingSystem.IsLinux() ? 0x800 : 0x4;
    public static int NoTerminal => OperatingSystem.IsLinux() ? 0x100 : 0x20000;
    public static int WouldBlock => OperatingSystem.IsLinux() ? 11 : 35;
    private static int Direct => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x10000 : 0x4000;
    private static int CloseOnExec => OperatingSystem.IsLinux() ? 0x80000 : 0x1000000;

    /// <summary>Opens what exists. The handle is not inherited by child processes, and .NET takes no advisory lock on it.</summary>
    public static SafeFileHandle Open(string path, int flags)
    {
        int descriptor = open(path, flags | CloseOnExec);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw Failure("open", path);
    }

    /// <summary>What an open file is.</summary>
    public static FileStatus Status(SafeFileHandle handle, string path)
    {
        bool added = false;
        try
        {
            handle.DangerousAddRef(ref added);
            return Status((int)handle.DangerousGetHandle(), "") ?? throw Failure("status", path);
        }
        finally
        {
            if (added)
                handle.DangerousRelease();
        }
    }

    /// <summary>What stands at a path, links followed; <see langword="null"/> when that cannot be told, as a rule because nothing does.</summary>
    public static FileStatus? Status(string path) => Status(CurrentFolder, path);

    // The layouts of statx(2), the same on every processor, and of macOS's 64-bit stat(2).
    private static unsafe FileStatus? Status(int folder, string path)
    {
        const int EmptyPath = 0x1000;
        const uint Wanted = 0x747; // Type, mode, links, time of the last write, inode, size, blocks.
        const int BlockBytes = 512;
        byte* found = stackalloc byte[256];
        if (OperatingSystem.IsLinux())
        {
            if (statx(folder, path, path.Length == 0 ? EmptyPath : 0, Wanted, found) != 0)
                return null;
            ulong device = ((ulong)*(uint*)(found + 136) << 32) | *(uint*)(found + 140);
            return new FileStatus(FileStatus.KindOf(*(ushort*)(found + 28)), device, *(ulong*)(found + 32), *(uint*)(found + 16), *(long*)(found + 48) * BlockBytes, *(long*)(found + 40), Nanoseconds(found + 112));
        }
        bool isIntel = RuntimeInformation.ProcessArchitecture == Architecture.X64;
        int error = path.Length == 0 ? (isIntel ? fstat64(folder, found) : fstat(folder, found)) : isIntel ? stat64(path, found) : stat(path, found);
        return error != 0 ? null : new FileStatus(FileStatus.KindOf(*(ushort*)(found + 4)), *(uint*)found, *(ulong*)(found + 8), *(ushort*)(found + 6), *(long*)(found + 104) * BlockBytes, *(long*)(found + 96), Nanoseconds(found + 48));
    }

    private static unsafe long Nanoseconds(byte* time) => unchecked(*(long*)time * 1_000_000_000 + *(uint*)(time + 8));

    /// <summary>Makes a file or folder durable; for a folder, that is its entries.</summary>
    public static void Sync(SafeFileHandle handle, string path)
    {
        // On macOS fsync stops at the drive's cache.
        if (OperatingSystem.IsMacOS() && fcntl(handle, FullFsync, 0) >= 0)
            return;
        while (fsync(handle) < 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (error == Interrupted)
                continue;
            // Some network and FUSE file systems make folder entries durable themselves and refuse to be asked.
            if (error == InvalidArgument || error == NotSupported)
                return;
            throw Failure("fsync", path);
        }
    }

    public static void Rename(string from, string to)
    {
        if (rename(from, to) < 0)
            throw Failure("rename", $"{from}' to '{to}");
    }

    /// <summary>Gives a file a second name, which must be free; 0 or the error number.</summary>
    public static int Link(string file, string name) => link(file, name) < 0 ? Marshal.GetLastPInvokeError() : 0;

    /// <summary>Swaps two names atomically; 0 or the error number.</summary>
    public static int Exchange(string first, string second)
    {
        try
        {
            int result = OperatingSystem.IsLinux()
                ? renameat2(CurrentFolder, first, CurrentFolder, second, RenameSwap)
                : renamex_np(first, second, RenameSwap);
            return result < 0 ? Marshal.GetLastPInvokeError() : 0;
        }
        catch (EntryPointNotFoundException)
        {
            return NotImplemented;
        }
    }

    /// <summary>Reserves space without changing the length; 0 or the error number.</summary>
    public static int Reserve(SafeFileHandle handle, long length)
    {
        const int KeepSize = 1;
        for (int tries = 0; tries < MaxTries; tries++)
        {
            if (fallocate(handle, KeepSize, 0, length) == 0)
                return 0;
            if (Marshal.GetLastPInvokeError() != Interrupted)
                break;
        }
        return Marshal.GetLastPInvokeError();
    }

    /// <summary>Starts writing a range to the disk without waiting. Best effort: the final fsync reports what goes wrong.</summary>
    public static void StartWriting(SafeFileHandle handle, long offset, long length)
    {
        const uint Write = 2;
        _ = sync_file_range(handle, offset, length, Write);
    }

    /// <summary>Makes reads and writes of an open file go past the page cache, or through it again; <see langword="false"/> where that is refused. On Linux only.</summary>
    public static bool SetDirect(SafeFileHandle handle, bool isDirect)
    {
        const int GetFlags = 3, SetFlags = 4;
        int flags = fcntl(handle, GetFlags, 0);
        return flags >= 0 && fcntl(handle, SetFlags, isDirect ? flags | Direct : flags & ~Direct) >= 0;
    }

    /// <summary>Opens an open file once more, for reads past the page cache; <see langword="null"/> where that cannot be had. On Linux only.</summary>
    public static SafeFileHandle? OpenDirect(SafeFileHandle handle)
    {
        int descriptor = open(PathOf(handle), ReadOnly | NonBlocking | CloseOnExec | Direct);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : null;
    }

    // Of the very file, whatever its name stands for by now.
    public static string PathOf(SafeFileHandle handle)
    {
        bool added = false;
        try
        {
            handle.DangerousAddRef(ref added);
            return $"/proc/self/fd/{handle.DangerousGetHandle()}";
        }
        finally
        {
            if (added)
                handle.DangerousRelease();
        }
    }

    /// <summary>Takes an exclusive lock without waiting; 0 or the error number.</summary>
    public static int Lock(SafeFileHandle handle) =>
        flock(handle, LockExclusive | LockNonBlocking) < 0 ? Marshal.GetLastPInvokeError() : 0;

    /// <summary>
    /// Gives the system's lock back. Closing is not enough: a process that another thread starts holds the same open file until it runs its own program, and the lock with it.
    /// </summary>
    public static void Unlock(SafeFileHandle handle) => _ = flock(handle, LockRelease);

    /// <summary>Writes in one call. Returns the bytes written.</summary>
    public static unsafe long Write(SafeFileHandle handle, ReadOnlySpan<byte> bytes, string path)
    {
        fixed (byte* start = bytes)
        {
            while (true)
            {
                nint written = write(handle, start, (nuint)bytes.Length);
                if (written >= 0)
                    return written;
                if (Marshal.GetLastPInvokeError() != Interrupted)
                    throw Failure("write", path);
            }
        }
    }

    public static Exception Failure(string call, string path) => Failure(call, path, Marshal.GetLastPInvokeError());

    public static Exception Failure(string call, string path, int error)
    {
        string message = $"{call} of '{path}' failed: {Marshal.GetPInvokeErrorMessage(error)} (error {error}).";
        return error switch
        {
            NotFound or NotFolder => new FileNotFoundException(message, path),
            AccessDenied or NotPermitted => new UnauthorizedAccessException(message),
            _ => new IOException(message, error),
        };
    }

#pragma warning disable IDE1006 // Names of the C library.
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int statx(int folder, string path, int flags, uint mask, byte* status);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int fstat(int descriptor, byte* status);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int stat(string path, byte* status);

    [LibraryImport("libc", EntryPoint = "fstat$INODE64", SetLastError = true)]
    private static unsafe partial int fstat64(int descriptor, byte* status);

    [LibraryImport("libc", EntryPoint = "stat$INODE64", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int stat64(string path, byte* status);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(SafeFileHandle handle);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(SafeFileHandle handle, int command, int argument);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string file, string name);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int rename(string from, string to);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int renameat2(int fromFolder, string from, int toFolder, string to, uint flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int renamex_np(string from, string to, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fallocate(SafeFileHandle handle, int mode, long offset, long length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int sync_file_range(SafeFileHandle handle, long offset, long length, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(SafeFileHandle handle, int operation);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial nint write(SafeFileHandle handle, byte* bytes, nuint count);
#pragma warning restore IDE1006
}
