namespace Cairn.Stores;

/// <summary>
/// Files open for reading, of which only so many hold a handle at a time: a checkpoint of thousands of ranks has more files than a process may open.
/// All members may be called from any thread.
/// </summary>
internal sealed class FilePool(IFileSource files, int mostOpen = FilePool.MostOpen) : IDisposable
{
    private const int MostOpen = 128;

    private readonly Lock _gate = new();
    private readonly LinkedList<Pooled> _open = [];
    private bool _disposed;

    /// <summary>Opens a file. Disposing it closes its handle.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public IReadableFile Open(string path)
    {
        var file = new Pooled(this, path);
        IReadableFile handle = Take(file);
        file.Length = handle.Length;
        Return(file);
        return file;
    }

    /// <summary>Closes all files.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            foreach (Pooled file in _open)
                file.Close();
            _open.Clear();
        }
    }

    private IReadableFile Take(Pooled file)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed || file.IsDisposed, this);
            if (file.Place is { } place)
            {
                _open.Remove(place);
            }
            else
            {
                for (LinkedListNode<Pooled>? oldest = _open.First; _open.Count >= mostOpen && oldest is not null;)
                {
                    LinkedListNode<Pooled>? next = oldest.Next;
                    if (oldest.Value.Users == 0)
                    {
                        oldest.Value.Close();
                        _open.Remove(oldest);
                    }
                    oldest = next;
                }
                file.Handle = files.OpenRead(file.Path);
            }
            file.Users++;
            file.Place = _open.AddLast(file);
            return file.Handle!;
        }
    }

    private void Return(Pooled file)
    {
        lock (_gate)
            file.Users--;
    }

    private void Close(Pooled file)
    {
        lock (_gate)
        {
            file.IsDisposed = true;
            if (file.Place is { } place)
                _open.Remove(place);
            file.Close();
        }
    }

    private sealed class Pooled(FilePool pool, string path) : IMappableFile
    {
        public string Path => path;
        public IReadableFile? Handle { get; set; }
        public LinkedListNode<Pooled>? Place { get; set; }
        public int Users { get; set; }
        public bool IsDisposed { get; set; }
        public long Length { get; set; }

        public int Read(long offset, Span<byte> destination)
        {
            IReadableFile handle = pool.Take(this);
            try
            {
                return handle.Read(offset, destination);
            }
            finally
            {
                pool.Return(this);
            }
        }

        public PrivateMapping? Map()
        {
            IReadableFile handle = pool.Take(this);
            try
            {
                return (handle as IMappableFile)?.Map();
            }
            finally
            {
                pool.Return(this);
            }
        }

        public void Close()
        {
            Handle?.Dispose();
            (Handle, Place) = (null, null);
        }

        public void Dispose() => pool.Close(this);
    }
}
