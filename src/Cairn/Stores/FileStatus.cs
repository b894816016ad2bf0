using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>What stands at a name of a Unix file system.</summary>
internal enum FileKind
{
    Regular,
    Folder,
    Pipe,
    Socket,
    CharacterDevice,
    BlockDevice,
    Other,
}

/// <summary>
/// What the system says about a file: its kind, its identity, how many names it has, the bytes of the disk that it takes, its length, and when it was written to last, in nanoseconds since 1970. Two names are the
/// same file when device and inode are equal.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct FileStatus(FileKind Kind, ulong Device, ulong Inode, uint Links, long Allocated, long Length, long Modified)
{
    /// <summary>What tells it from other files, and from itself after it was written to.</summary>
    public FileIdentity Identity => new(Device, Inode, Length, Modified);


    /// <summary>Of an open file.</summary>
    public static FileStatus Of(SafeFileHandle handle, string path) => UnixCalls.Status(handle, path);

    /// <summary>Of what stands at a path now, symbolic links followed; <see langword="null"/> when nothing does, and on Windows.</summary>
    public static FileStatus? At(string path) => OperatingSystem.IsWindows() ? null : UnixCalls.Status(path);

    /// <summary>Whether it is the same file as another.</summary>
    public bool IsSameFile(FileStatus other) => Device == other.Device && Inode == other.Inode;

    /// <summary>The kind of a file by the upper bits of its mode (<c>S_IFMT</c>).</summary>
    public static FileKind KindOf(uint mode) => (mode & 0xF000) switch
    {
        0x8000 => FileKind.Regular,
        0x4000 => FileKind.Folder,
        0x1000 => FileKind.Pipe,
        0xC000 => FileKind.Socket,
        0x2000 => FileKind.CharacterDevice,
        0x6000 => FileKind.BlockDevice,
        _ => FileKind.Other,
    };
}
