using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>
/// A file system in memory that records every change and gives what a power cut at any moment may leave: see
/// <see cref="CrashStates"/>. Safe for use from several threads.
/// </summary>
internal sealed class SimulatedFileSystem : IFileSystem
{
    private readonly Lock _gate = new();
    private readonly SimulatedTree _tree;
    private readonly SimulatedLog _log;
    private readonly SimulatedLinks _links;

    public SimulatedFileSystem() : this(new SimulatedTree()) { }

    public SimulatedFileSystem(SimulatedTree tree)
    {
        (_tree, _log) = (tree, new SimulatedLog(tree));
        _links = new SimulatedLinks(tree, _log);
    }

    public string Root => "simulated:";
    public bool CanExchange { get; init; } = true;
    /// <summary>Whether a file can have two names.</summary>
    public bool CanLink { get; init; } = true;
    /// <summary>Whether files are written in whole pages, in any order, and cut to their length in the end.</summary>
    public bool IsDirect { get; init; }
    /// <summary>Bytes that all files may have together; <see langword="null"/> for no limit.</summary>
    public long? Capacity { get; set; }
    /// <summary>The changes so far, as a person would write them.</summary>
    public IReadOnlyList<string> Operations
    {
        get
        {
            lock (_gate)
                return _log.Descriptions;
        }
    }

    /// <summary>Names this moment, for example "saved 500". States of later crashes carry the label.</summary>
    public void Mark(string label)
    {
        lock (_gate)
            _log.Record(new MarkOperation(label));
    }

    /// <summary>
    /// What may be left by a power cut after each of the operations from <paramref name="from"/> on. States that are equal to one already given
    /// since the last <see cref="Mark"/> are left out.
    /// </summary>
    public IEnumerable<CrashState> CrashStates(int from = 0, int seed = 1)
    {
        lock (_gate)
            return _log.CrashStates(CanExchange, seed, from);
    }

    /// <summary>All files with their bytes; folders end in <c>/</c> and have none.</summary>
    public SortedDictionary<string, byte[]> AllFiles()
    {
        lock (_gate)
            return _tree.AllFiles();
    }

    public long? AvailableBytes()
    {
        lock (_gate)
            return Free();
    }

    public long ReclaimableBytes(string folder)
    {
        StorePath.Check(folder, allowRoot: true);
        lock (_gate)
            return _links.ReclaimableBytes(folder);
    }

    public IReadOnlyList<FileSystemEntry> List(string folder)
    {
        StorePath.Check(folder, allowRoot: true);
        lock (_gate)
        {
            int inode = _tree.Find(folder);
            if (inode < 0)
                return [];
            if (!_tree.IsFolder(inode))
                throw new IOException($"'{folder}' is not a folder.");
            return [.. _tree.Entries(inode).Select(e => new FileSystemEntry(e.Key, _tree.IsFolder(e.Value), _tree.Files.GetValueOrDefault(e.Value)?.Length ?? 0))];
        }
    }

    public bool FileExists(string path)
    {
        StorePath.Check(path);
        lock (_gate)
            return _tree.Files.ContainsKey(_tree.Find(path));
    }

    public bool CanOverwrite(string path)
    {
        StorePath.Check(path);
        lock (_gate)
            return _links.CanOverwrite(path);
    }

    public FileIdentity? Identify(string path)
    {
        StorePath.Check(path);
        lock (_gate)
            return _links.Identify(path);
    }

    public LinkOutcome Link(string file, string name, FileIdentity expected)
    {
        StorePath.Check(file);
        StorePath.Check(name);
        lock (_gate)
            return CanLink ? _links.Link(file, name, expected) : LinkOutcome.Unsupported;
    }

    public bool FolderExists(string path)
    {
        StorePath.Check(path, allowRoot: true);
        lock (_gate)
            return _tree.IsFolder(_tree.Find(path));
    }

    public void CreateFolder(string path)
    {
        StorePath.Check(path, allowRoot: true);
        if (path.Length == 0)
            return;
        lock (_gate)
        {
            string made = "";
            foreach (string name in path.Split('/'))
            {
                int parent = _tree.Find(made);
                made = made.Length == 0 ? name : $"{made}/{name}";
                int inode = _tree.Find(made);
                if (inode < 0)
                    _log.Make($"make folder {made}", parent, name, isFolder: true);
                else if (!_tree.IsFolder(inode))
                    throw new IOException($"'{made}' is a file.");
            }
        }
    }

    public IReadableFile OpenRead(string path)
    {
        StorePath.Check(path);
        lock (_gate)
            return new SimulatedReadableFile(_tree.Files.GetValueOrDefault(_tree.Find(path)) ?? throw new FileNotFoundException($"There is no file '{path}'.", path));
    }

    public IWritableFile OpenWrite(string path, long length)
    {
        StorePath.Check(path);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        lock (_gate)
        {
            int inode = _tree.Find(path);
            if (_tree.IsFolder(inode))
                throw new UnauthorizedAccessException($"'{path}' is a folder.");
            // What has another name too keeps its bytes there.
            if (inode >= 0 && _tree.Links(inode) > 1)
            {
                DeleteFile(path);
                inode = -1;
            }
            byte[] present = inode < 0 ? [] : _tree.Files[inode];
            if (length - present.Length > Free())
                throw new IOException($"There is no space for {length} bytes at '{path}'.");
            if (inode < 0)
                inode = _log.Make($"create {path}", _tree.ParentOf(path), SimulatedTree.NameOf(path), isFolder: false);
            if (present.Length > length)
                Cut(path, inode, (int)length);
            return IsDirect ? new SimulatedDirectFile(this, path, inode, length) : new SimulatedWritableFile(this, path, inode);
        }
    }

    public void SyncFile(string path)
    {
        lock (_gate)
            _log.Record(new SyncOperation($"sync {path}", _tree.Existing(path)));
    }

    public void SyncFolder(string path)
    {
        StorePath.Check(path, allowRoot: true);
        lock (_gate)
        {
            int inode = _tree.Find(path);
            if (!_tree.IsFolder(inode))
                throw new FileNotFoundException($"There is no folder '{path}'.", path);
            _log.Record(new SyncFolderOperation($"sync folder /{path}", inode));
        }
    }

    public void Move(string from, string to)
    {
        StorePath.Check(from);
        StorePath.Check(to);
        lock (_gate)
        {
            int inode = _tree.Existing(from), replaced = _tree.Find(to), source = _tree.ParentOf(from), destination = _tree.ParentOf(to);
            if (_tree.IsFolder(replaced) || (replaced >= 0 && _tree.IsFolder(inode)))
                throw new IOException($"'{from}' cannot be renamed to '{to}', which exists.");
            if (to.StartsWith(from + "/", StringComparison.Ordinal))
                throw new IOException($"'{from}' cannot be moved into itself.");
            _log.Change(new EntryOperation($"move {from} to {to}", [source, destination],
                [new(source, SimulatedTree.NameOf(from), inode, false), new(destination, SimulatedTree.NameOf(to), inode, true) { IsFurtherName = _tree.Files.ContainsKey(inode) && _tree.Links(inode) > 1 }]));
        }
    }

    public void Exchange(string first, string second)
    {
        StorePath.Check(first);
        StorePath.Check(second);
        if (!CanExchange)
            throw new NotSupportedException("This file system cannot swap folders.");
        lock (_gate)
        {
            int one = _tree.Existing(first), other = _tree.Existing(second), a = _tree.ParentOf(first), b = _tree.ParentOf(second);
            _log.Change(new EntryOperation($"exchange {first} with {second}", [a, b],
                [new(a, SimulatedTree.NameOf(first), one, false), new(b, SimulatedTree.NameOf(second), one, true), new(a, SimulatedTree.NameOf(first), other, true)]));
        }
    }

    public void DeleteFile(string path)
    {
        StorePath.Check(path);
        lock (_gate)
        {
            int inode = _tree.Find(path);
            if (inode < 0)
                return;
            if (_tree.IsFolder(inode))
                throw new UnauthorizedAccessException($"'{path}' is a folder.");
            _log.Change(_log.Removal(path, inode, null));
        }
    }

    public void DeleteFolder(string path)
    {
        StorePath.Check(path);
        lock (_gate)
        {
            int inode = _tree.Find(path);
            if (inode < 0)
                return;
            if (!_tree.IsFolder(inode))
                throw new IOException($"'{path}' is a file.");
            EntryOperation last = _log.Removal(path, inode, null);
            _log.DeleteEntries(path, inode, last);
            _log.Change(last);
        }
    }

    public void Append(string path, ReadOnlySpan<byte> bytes, bool durable)
    {
        StorePath.Check(path);
        lock (_gate)
        {
            if (bytes.Length > Free())
                throw new IOException($"There is no space to append to '{path}'.");
            _log.Append(path, bytes, durable);
        }
    }

    internal void Write(string path, int inode, int position, ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            byte[] old = _tree.Files[inode];
            int end = position + bytes.Length;
            if (end - old.Length > Free())
                throw new IOException($"There is no space to write to '{path}'.");
            byte[] content = new byte[Math.Max(old.Length, end)];
            old.CopyTo(content, 0);
            bytes.CopyTo(content.AsSpan(position));
            _log.SetContent($"write {bytes.Length} bytes to {path}", inode, content);
        }
    }

    internal void Cut(string path, int inode, int length)
    {
        lock (_gate)
            _log.SetContent($"cut {path} to {length}", inode, _tree.Files[inode][..length]);
    }

    internal void Sync(string path, int inode)
    {
        lock (_gate)
            _log.Record(new SyncOperation($"sync {path}", inode));
    }

    private long? Free() => Capacity is { } capacity ? capacity - _tree.FileBytes() : null;
}
