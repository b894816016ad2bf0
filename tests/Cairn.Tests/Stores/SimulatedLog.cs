namespace Cairn.Tests.Stores;

/// <summary>The changes to a tree, in their order, and what a power cut after any of them may leave. Whoever uses it sees to it that one thread does at a time.</summary>
internal sealed class SimulatedLog(SimulatedTree tree)
{
    private readonly List<SimulatedOperation> _log = [];
    private SimulatedTree? _start;

    /// <summary>The changes so far, as a person would write them.</summary>
    public IReadOnlyList<string> Descriptions => [.. _log.Select(o => o.Description)];

    /// <inheritdoc cref="SimulatedFileSystem.CrashStates"/>
    public IEnumerable<CrashState> CrashStates(bool canExchange, int seed, int from) =>
        new CrashSimulation(_start ?? tree.Clone(), [.. _log], canExchange, seed).States(from);

    /// <summary>Removes all entries of a folder, as part of removing it.</summary>
    public void DeleteEntries(string path, int folder, EntryOperation whole)
    {
        foreach ((string name, int inode) in tree.Entries(folder).ToArray())
        {
            string child = $"{path}/{name}";
            if (tree.IsFolder(inode))
                DeleteEntries(child, inode, whole);
            Change(Removal(child, inode, whole));
        }
    }

    /// <summary>The removal of an entry, still to be made.</summary>
    public EntryOperation Removal(string path, int inode, EntryOperation? impliedBy)
    {
        int parent = tree.ParentOf(path);
        return new EntryOperation($"delete {path}", [parent], [new(parent, SimulatedTree.NameOf(path), inode, false)]) { ImpliedBy = impliedBy };
    }

    /// <summary>Makes a file or folder, and gives its inode.</summary>
    public int Make(string description, int parent, string name, bool isFolder)
    {
        int inode = tree.NextInode;
        Change(new EntryOperation(description, [parent], [new(parent, name, inode, true)]) { Made = inode, MadeFolder = isFolder });
        return inode;
    }

    /// <summary>Changes entries of folders.</summary>
    public void Change(EntryOperation operation)
    {
        Record(operation);
        CrashSimulation.Apply(tree, operation);
    }

    /// <summary>Gives a file other bytes.</summary>
    public void SetContent(string description, int inode, byte[] content)
    {
        Record(new ContentOperation(description, inode, content));
        tree.Files[inode] = content;
    }

    /// <summary>Adds bytes to a file, which is made when it is not there.</summary>
    public void Append(string path, ReadOnlySpan<byte> bytes, bool durable)
    {
        int inode = tree.Find(path);
        bool made = inode < 0;
        if (made)
            inode = Make($"create {path}", tree.ParentOf(path), SimulatedTree.NameOf(path), isFolder: false);
        SetContent($"append {bytes.Length} bytes to {path}", inode, [.. tree.Files[inode], .. bytes]);
        if (durable)
            Record(new SyncOperation($"sync {path}", inode));
        if (durable && made)
            Record(new SyncFolderOperation($"sync folder of {path}", tree.ParentOf(path)));
    }

    /// <summary>Takes note of what changes nothing by itself: a sync, a mark.</summary>
    public void Record(SimulatedOperation operation)
    {
        _start ??= tree.Clone();
        _log.Add(operation);
    }
}
