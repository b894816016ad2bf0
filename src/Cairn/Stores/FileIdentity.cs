using System.Runtime.InteropServices;

namespace Cairn.Stores;

/// <summary>Tells a file from every other one, and from itself after it was written to. Two names of one file have the same.</summary>
/// <param name="Device">The file system.</param>
/// <param name="Inode">The file in it.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Modified">When it was written to last, in nanoseconds since 1970.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct FileIdentity(ulong Device, ulong Inode, long Length, long Modified);

/// <summary>What became of a second name for a file.</summary>
internal enum LinkOutcome
{
    /// <summary>The file has both names.</summary>
    Linked,
    /// <summary>The file is not there any more, was written to, or can have no further name.</summary>
    NotThisOne,
    /// <summary>No file here can have two names.</summary>
    Unsupported,
}
