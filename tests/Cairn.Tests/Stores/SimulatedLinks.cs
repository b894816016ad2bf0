using System.Runtime.CompilerServices;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>What a simulated disk knows of files with several names. Whoever uses it sees to it that one thread does at a time.</summary>
internal sealed class SimulatedLinks(SimulatedTree tree, SimulatedLog log)
{
    /// <summary>Whether a file has one name. A reader here has the bytes of when it opened the file.</summary>
    public bool CanOverwrite(string path) => tree.Find(path) is var inode && tree.Files.ContainsKey(inode) && tree.Links(inode) == 1;

    /// <summary>What tells a file from others and from itself: whoever writes to it gives it other bytes.</summary>
    public FileIdentity? Identify(string path) =>
        tree.Find(path) is var inode && tree.Files.TryGetValue(inode, out byte[]? bytes) ? new FileIdentity(0, (ulong)inode, bytes.Length, RuntimeHelpers.GetHashCode(bytes)) : null;

    /// <summary>Gives a file a second name, if it is still this one.</summary>
    public LinkOutcome Link(string file, string name, FileIdentity expected)
    {
        if (Identify(file) != expected)
            return LinkOutcome.NotThisOne;
        int inode = tree.Find(file), replaced = tree.Find(name), parent = tree.ParentOf(name);
        if (replaced >= 0)
            log.Change(log.Removal(name, replaced, null));
        log.Change(new EntryOperation($"link {file} as {name}", [parent], [new(parent, SimulatedTree.NameOf(name), inode, true) { IsFurtherName = true }]));
        return LinkOutcome.Linked;
    }

    /// <summary>Bytes of the files below a folder that have no other name.</summary>
    public long ReclaimableBytes(string folder)
    {
        long bytes = 0;
        tree.Walk((path, inode, isFolder) => bytes += !isFolder && (folder.Length == 0 || path.StartsWith(folder + "/", StringComparison.Ordinal)) && tree.Links(inode) == 1 ? tree.Files[inode].Length : 0);
        return bytes;
    }
}
