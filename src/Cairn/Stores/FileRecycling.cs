using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>
/// Whether a file may be overwritten in place: several times faster than a new one, and wrong as soon as anybody still reads the old bytes, be it an
/// evaluation that opened the copy while it had its name, or a backup that linked it. Linux answers that on its local file systems: a write lease
/// (<c>fcntl(2)</c>, <c>F_SETLEASE</c>) is granted only while no other open file description or mapping exists, of any process. Elsewhere nobody can
/// know, because readers on other machines take part, and the answer is no.
/// </summary>
internal static partial class FileRecycling
{
    private const int SetSignal = 10, SetLease = 1024, WriteLease = 1, NoLease = 2;
    // What happens when somebody opens the file while the lease is held. The default, SIGIO, would end the process; this one is ignored.
    private const int SigUrg = 23;

    // f_type of statfs(2). Not overlayfs: a mapping there is one of the layer's file, which the lease does not see.
    private static readonly uint[] LocalFileSystems = [/* ext2-4 */ 0xEF53, /* xfs */ 0x58465342, /* btrfs */ 0x9123683E, /* tmpfs */ 0x01021994, /* f2fs */ 0xF2F52010, /* zfs */ 0x2FC12FC1];

    /// <summary>Whether this handle is the only way to the file's bytes. To be asked of a file that nobody looks for under its name any more.</summary>
    /// <param name="handle">Open for writing.</param>
    /// <param name="path">The file's only name.</param>
    public static bool IsUnseen(SafeFileHandle handle, string path) =>
        OperatingSystem.IsLinux() && new FileInfo(path).LinkTarget is null && FileStatus.Of(handle, path) is { Kind: FileKind.Regular, Links: 1 } && IsOnLocalDisk(handle) && TryLease(handle);

    private static bool TryLease(SafeFileHandle handle)
    {
        if (fcntl(handle, SetSignal, SigUrg) != 0 || fcntl(handle, SetLease, WriteLease) != 0)
            return false;
        return fcntl(handle, SetLease, NoLease) == 0;
    }

    private static unsafe bool IsOnLocalDisk(SafeFileHandle handle)
    {
        byte* found = stackalloc byte[256];
        return fstatfs(handle, found) == 0 && Array.IndexOf(LocalFileSystems, *(uint*)found) >= 0;
    }

#pragma warning disable IDE1006, SYSLIB1054 // Names of the C library.
    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(SafeFileHandle handle, int command, nint argument);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int fstatfs(SafeFileHandle handle, byte* status);
#pragma warning restore IDE1006, SYSLIB1054
}
