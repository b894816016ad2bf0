using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Cairn.Tests.Stores;

/// <summary>
/// Replays a log and gives, after every operation, the states that a power cut may leave. The rules are those of POSIX
/// without the kindness of any one file system: bytes are safe after a sync of the file, names after a sync of every folder
/// whose entries changed. Each name change happens whole or not at all, and any of them may be missing.
/// </summary>
internal sealed class CrashSimulation(SimulatedTree start, SimulatedOperation[] log, bool canExchange, int seed)
{
    private const int MostExhaustive = 5, RandomSubsets = 8;

    private readonly SimulatedTree _durable = start.Clone();
    private readonly List<PendingEntry> _pending = [];
    private readonly Dictionary<int, byte[][]> _unsynced = [];
    private readonly Dictionary<byte[], UInt128> _hashes = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<UInt128> _seen = [];
    private readonly List<string> _marks = [];
    private readonly Random _random = new(seed);

    public static void Apply(SimulatedTree tree, EntryOperation operation)
    {
        if (operation.Made >= 0)
            tree.AddInode(operation.Made, operation.MadeFolder);
        foreach (EntryChange change in operation.Changes)
        {
            if (change.Linked)
                tree.Link(change.Folder, change.Name, change.Inode, change.IsFurtherName);
            else
                tree.Unlink(change.Folder, change.Name, change.Inode);
        }
    }

    public IEnumerable<CrashState> States(int from)
    {
        if (from == 0)
        {
            foreach (CrashState state in StatesAfter(0))
                yield return state;
        }
        for (int done = 1; done <= log.Length; done++)
        {
            Advance(log[done - 1]);
            if (done < from)
                continue;
            foreach (CrashState state in StatesAfter(done))
                yield return state;
        }
    }

    private void Advance(SimulatedOperation operation)
    {
        switch (operation)
        {
            case EntryOperation entry:
                if (entry.Made >= 0)
                    _durable.AddInode(entry.Made, entry.MadeFolder);
                _pending.Add(new PendingEntry(entry));
                break;
            case ContentOperation content:
                _unsynced[content.Inode] = UnsyncedContent.Variants(_durable.Files[content.Inode], content.Content);
                break;
            case SyncOperation sync when _unsynced.Remove(sync.Inode, out byte[][]? variants):
                _durable.Files[sync.Inode] = variants[0];
                break;
            case SyncFolderOperation sync:
                SyncFolder(sync.Folder);
                break;
            case MarkOperation mark:
                _marks.Add(mark.Description);
                _seen.Clear();
                break;
        }
    }

    private void SyncFolder(int folder)
    {
        foreach (PendingEntry entry in _pending)
            entry.Unsynced.Remove(folder);
        HashSet<EntryOperation> durable = [.. _pending.Where(p => p.IsDurable).Select(p => p.Operation)];
        foreach (PendingEntry entry in _pending.Where(p => p.Operation.ImpliedBy is { } whole && durable.Contains(whole)))
            entry.Unsynced.Clear();
        // Only from the front: a later change must not be overtaken by an earlier one that is still open.
        int settled = _pending.FindIndex(p => !p.IsDurable);
        settled = settled < 0 ? _pending.Count : settled;
        foreach (PendingEntry entry in _pending.Take(settled))
            Apply(_durable, entry.Operation);
        _pending.RemoveRange(0, settled);
    }

    private IEnumerable<CrashState> StatesAfter(int done)
    {
        string after = done == 0 ? "before anything" : $"after {done} of {log.Length} operations ({log[done - 1].Description})";
        string[] marks = [.. _marks];
        PendingEntry[] open = [.. _pending.Where(p => !p.IsDurable)];
        foreach (bool[] kept in Subsets(open.Length))
        {
            var keptEntries = new HashSet<PendingEntry>(open.Where((_, i) => kept[i]));
            KeepNewParents(keptEntries, open);
            SimulatedTree tree = _durable.Clone();
            foreach (PendingEntry entry in _pending)
            {
                if (entry.IsDurable || keptEntries.Contains(entry))
                    Apply(tree, entry.Operation);
            }
            var names = new XxHash128();
            List<int> files = [];
            tree.Walk((path, inode, isFolder) =>
            {
                names.Append(MemoryMarshal.AsBytes(path.AsSpan()));
                names.Append(isFolder ? [1, 1] : [0, 0]);
                if (!isFolder)
                    files.Add(inode);
            });
            int[] varied = [.. files.Where(_unsynced.ContainsKey)];
            foreach (int[] choice in Choices(varied.Length))
            {
                for (int i = 0; i < varied.Length; i++)
                    tree.Files[varied[i]] = _unsynced[varied[i]][choice[i]];
                if (!_seen.Add(Signature(names, files, tree)))
                    continue;
                string lost = string.Join(", ", open.Where(p => !keptEntries.Contains(p)).Select(p => p.Operation.Description));
                string content = string.Join(", ", choice.Distinct().Select(c => UnsyncedContent.Kinds[c]));
                string description = $"{after}; lost entries: [{lost}]; unsynced bytes: [{content}]";
                yield return new CrashState(description, done, marks, new SimulatedFileSystem(tree.Clone()) { CanExchange = canExchange });
            }
        }
    }

    /// <summary>No file system keeps the move of an old entry into a new folder and forgets that folder: it would lose the entry.</summary>
    private static void KeepNewParents(HashSet<PendingEntry> kept, PendingEntry[] open)
    {
        var work = new Queue<int>(kept.Where(p => p.Operation.Made < 0).SelectMany(p => p.Operation.Changes).Where(c => c.Linked).Select(c => c.Folder));
        while (work.TryDequeue(out int folder))
        {
            PendingEntry? maker = Array.Find(open, p => p.Operation.Made == folder);
            if (maker is not null && kept.Add(maker))
                work.Enqueue(maker.Operation.Folders[0]);
        }
    }

    private IEnumerable<bool[]> Subsets(int count)
    {
        if (count <= MostExhaustive)
        {
            for (int mask = (1 << count) - 1; mask >= 0; mask--)
                yield return Subset(count, i => (mask >> i & 1) != 0);
            yield break;
        }
        for (int first = 0; first <= count; first++)
            yield return Subset(count, i => i < first);
        for (int single = 0; single < count; single++)
        {
            yield return Subset(count, i => i == single);
            yield return Subset(count, i => i != single);
        }
        for (int n = 0; n < RandomSubsets; n++)
            yield return Subset(count, _ => _random.Next(2) == 0);
    }

    private static bool[] Subset(int count, Func<int, bool> keep)
    {
        bool[] subset = new bool[count];
        for (int i = 0; i < count; i++)
            subset[i] = keep(i);
        return subset;
    }

    /// <summary>For each unsynced file the kind of its bytes: all files alike, and each one alone in trouble.</summary>
    private static IEnumerable<int[]> Choices(int files)
    {
        if (files == 0)
            return [[]];
        IEnumerable<int[]> alike = Enumerable.Range(0, UnsyncedContent.Kinds.Length).Select(kind => Enumerable.Repeat(kind, files).ToArray());
        if (files == 1)
            return alike;
        return alike.Concat(
            from alone in Enumerable.Range(0, files)
            from kind in new[] { 1, 3 }
            select Enumerable.Range(0, files).Select(i => i == alone ? kind : 0).ToArray());
    }

    private UInt128 Signature(XxHash128 names, List<int> files, SimulatedTree tree)
    {
        XxHash128 hash = names.Clone();
        foreach (int inode in files)
        {
            byte[] content = tree.Files[inode];
            if (!_hashes.TryGetValue(content, out UInt128 contentHash))
                _hashes[content] = contentHash = XxHash128.HashToUInt128(content);
            hash.Append(MemoryMarshal.AsBytes(new ReadOnlySpan<UInt128>(in contentHash)));
        }
        return hash.GetCurrentHashAsUInt128();
    }

    private sealed class PendingEntry(EntryOperation operation)
    {
        public EntryOperation Operation => operation;
        public HashSet<int> Unsynced { get; } = [.. operation.Folders];
        public bool IsDurable => Unsynced.Count == 0;
    }
}
