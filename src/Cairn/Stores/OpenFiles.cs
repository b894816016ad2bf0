namespace Cairn.Stores;

/// <summary>
/// The files of one folder, read by name from any thread, with only so many open at once: a checkpoint may have more files than a process may open. The one that was not read for the
/// longest is closed, and opened again when it is needed.
/// </summary>
/// <param name="files">The file system.</param>
/// <param name="folder">The folder; empty for the root.</param>
/// <param name="most">Most files that are open while nobody reads them.</param>
internal sealed class OpenFiles(IFileSource files, string folder, int most) : IDisposable
{
    private readonly Dictionary<string, LinkedListNode<OpenFile>> _open = new(StringComparer.Ordinal);
    private readonly LinkedList<OpenFile> _byUse = new();
    private readonly Lock _gate = new();
    private bool _disposed;

    /// <summary>Files that are open now.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _open.Count;
        }
    }

    /// <summary>A file by its name. Valid until this is disposed; disposing the result does nothing.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public IReadableFile this[string name]
    {
        get
        {
            using Use use = Take(name);
            return new Named(this, name, use.File.Length);
        }
    }

    /// <summary>Closes all.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            foreach (OpenFile open in _byUse)
                open.File.Dispose();
            _byUse.Clear();
            _open.Clear();
        }
    }

    private Use Take(string name)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_open.TryGetValue(name, out LinkedListNode<OpenFile>? node))
            {
                _byUse.Remove(node);
            }
            else
            {
                while (_open.Count >= most && CloseOne())
                {
                }
                node = new LinkedListNode<OpenFile>(new OpenFile(name, files.OpenRead(folder.Length == 0 ? name : $"{folder}/{name}")));
                _open.Add(name, node);
            }
            _byUse.AddLast(node);
            node.Value.Readers++;
            return new Use(this, node.Value);
        }
    }

    private bool CloseOne()
    {
        for (LinkedListNode<OpenFile>? node = _byUse.First; node is not null; node = node.Next)
        {
            if (node.Value.Readers > 0)
                continue;
            _byUse.Remove(node);
            _open.Remove(node.Value.Name);
            node.Value.File.Dispose();
            return true;
        }
        return false;
    }

    private sealed record OpenFile(string Name, IReadableFile File)
    {
        public int Readers { get; set; }
    }

    private readonly struct Use(OpenFiles owner, OpenFile open) : IDisposable
    {
        public IReadableFile File => open.File;

        public void Dispose()
        {
            lock (owner._gate)
                open.Readers--;
        }
    }

    private sealed class Named(OpenFiles owner, string name, long length) : IMappableFile
    {
        public long Length => length;

        public int Read(long offset, Span<byte> destination)
        {
            using Use use = owner.Take(name);
            return use.File.Read(offset, destination);
        }

        public PrivateMapping? Map()
        {
            using Use use = owner.Take(name);
            return (use.File as IMappableFile)?.Map();
        }

        public void Dispose() { }
    }
}
