using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>Calls of the C library about pages of memory: what of a file is cached, and how memory of our own is backed.</summary>
internal static partial class UnixMemory
{
    /// <summary>How many pages of a range of a file are in memory, of how many; 0 of 0 when that cannot be known: of files that this process may not write, the system says that all are. On Linux only.</summary>
    public static unsafe (int Cached, int Pages) CountCached(SafeFileHandle handle, long offset, int length)
    {
        const int ReadProtection = 1, Shared = 1, ForWriting = 2;
        if (access(UnixCalls.PathOf(handle), ForWriting) != 0)
            return default;
        nint page = Environment.SystemPageSize;
        byte* start = mmap(null, length, ReadProtection, Shared, handle, (nint)offset);
        if ((nint)start == -1)
            return default;
        try
        {
            byte[] found = new byte[(length + page - 1) / page];
            fixed (byte* pages = found)
                return mincore(start, length, pages) != 0 ? default : (found.Count(static state => (state & 1) != 0), found.Length);
        }
        finally
        {
            _ = munmap(start, length);
        }
    }

    /// <summary>Asks for huge pages, which make first touch and copying faster. Best effort.</summary>
    public static unsafe void AdviseHugePages(void* start, nuint length)
    {
        const int HugePages = 14;
        _ = madvise(start, length, HugePages);
    }

#pragma warning disable IDE1006 // Names of the C library.
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int access(string path, int mode);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int madvise(void* start, nuint length, int advice);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial byte* mmap(void* start, nint length, int protection, int flags, SafeFileHandle handle, nint offset);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int munmap(byte* start, nint length);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int mincore(byte* start, nint length, byte* pages);
#pragma warning restore IDE1006
}
