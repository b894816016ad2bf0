using System.Collections.Concurrent;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>A call that changes a store.</summary>
internal enum StoreChange { Create, Write, Complete, Put, TryPut, Copy, Delete }

/// <summary>
/// An object store in memory. Calls that change it are numbered, and one can be made to fail: before it was done, or after it, so that only the answer
/// is lost. Where the process is killed there, no later call is done either.
/// </summary>
internal sealed class MemoryRunStore : IRunStore, IUnfinishedObjects
{
    private readonly ConcurrentDictionary<string, byte[]> _objects;
    private int _changes;
    private volatile bool _isDead;
    private int _blind;

    public MemoryRunStore(IEnumerable<KeyValuePair<string, byte[]>>? objects = null) => _objects = new(objects ?? [], StringComparer.Ordinal);

    /// <summary>Calls so far that change something, by kind and path.</summary>
    public ConcurrentQueue<(StoreChange Change, string Path)> Changes { get; } = [];

    /// <summary>Objects that were begun and not completed.</summary>
    public ConcurrentDictionary<string, long> Unfinished { get; } = new(StringComparer.Ordinal);

    /// <summary>Says which objects cannot be opened now.</summary>
    public Func<string, bool> CannotOpen { get; set; } = static _ => false;
    /// <summary>What was opened so far, or looked for.</summary>
    public ConcurrentQueue<string> Opened { get; } = [];
    /// <summary>What was listed so far.</summary>
    public ConcurrentQueue<string> Listed { get; } = [];

    /// <summary>The number of the call that fails, from 0.</summary>
    public int FailsAt { get; init; } = -1;
    /// <summary>Whether that call is done all the same.</summary>
    public bool LosesAnswer { get; init; }
    /// <summary>How many objects cannot be opened after it.</summary>
    public int BlindFor { get; init; }
    /// <summary>Called before something is put, which it can keep waiting.</summary>
    public Func<StoreChange, string, ValueTask> Before { get; set; } = static (_, _) => ValueTask.CompletedTask;
    /// <summary>Whether what is open cannot be read any more once it was removed.</summary>
    public bool ForgetsWhatIsOpen { get; init; }
    /// <summary>Whether it copies objects itself.</summary>
    public bool CanCopy { get; init; } = true;
    /// <summary>Whether all calls after it fail too.</summary>
    public bool IsKilledThere { get; init; }

    public string Root => "memory:run";

    /// <summary>What another process finds.</summary>
    public MemoryRunStore Copy() => new(_objects);

    public IReadOnlyDictionary<string, byte[]> Objects => _objects;

    public ValueTask<IReadOnlyList<FileSystemEntry>> ListAsync(string folder, CancellationToken cancellationToken = default)
    {
        Live();
        Listed.Enqueue(folder);
        string prefix = folder.Length == 0 ? "" : folder + "/";
        var entries = new Dictionary<string, FileSystemEntry>(StringComparer.Ordinal);
        foreach ((string path, byte[] bytes) in _objects)
        {
            if (!path.StartsWith(prefix, StringComparison.Ordinal))
                continue;
            string rest = path[prefix.Length..];
            int slash = rest.IndexOf('/', StringComparison.Ordinal);
            entries[slash < 0 ? rest : rest[..slash]] = slash < 0 ? new(rest, false, bytes.Length) : new(rest[..slash], true, 0);
        }
        return new([.. entries.Values]);
    }

    public ValueTask<IStoreReader> OpenReadAsync(string path, CancellationToken cancellationToken = default)
    {
        Live();
        Opened.Enqueue(path);
        if (_blind-- > 0 || CannotOpen(path))
            throw new IOException("The store did not answer.");
        return _objects.TryGetValue(path, out byte[]? bytes) ? new(new Reader(this, path, bytes)) : throw new FileNotFoundException($"There is no '{path}' in {Root}.", path);
    }

    public ValueTask<IStoreWriter> CreateAsync(string path, long length, CancellationToken cancellationToken = default)
    {
        Change(StoreChange.Create, path, () => Unfinished[path] = length);
        return new(new Writer(this, path, length));
    }

    public async ValueTask PutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        await Before(StoreChange.Put, path);
        Change(StoreChange.Put, path, () => _objects[path] = content.ToArray());
    }

    public async ValueTask<bool> TryPutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        await Before(StoreChange.TryPut, path);
        bool isFirst = false;
        Change(StoreChange.TryPut, path, () => isFirst = _objects.TryAdd(path, content.ToArray()));
        return isFirst;
    }

    public ValueTask<bool> TryCopyAsync(string from, string to, CancellationToken cancellationToken = default)
    {
        if (!CanCopy)
            return new(false);
        Live();
        if (!_objects.TryGetValue(from, out byte[]? bytes))
            throw new FileNotFoundException($"There is no '{from}' in {Root}.", from);
        Change(StoreChange.Copy, to, () => _objects[to] = bytes);
        return new(true);
    }

    public ValueTask DeleteAsync(string path, CancellationToken cancellationToken = default)
    {
        Change(StoreChange.Delete, path, () => _objects.TryRemove(path, out _));
        return ValueTask.CompletedTask;
    }

    public ValueTask RemoveUnfinishedAsync(Func<string, bool> isMeant, CancellationToken cancellationToken = default)
    {
        Live();
        foreach (string path in Unfinished.Keys.Where(isMeant))
            Unfinished.TryRemove(path, out _);
        return ValueTask.CompletedTask;
    }

    private void Live()
    {
        if (_isDead)
            throw new IOException("The process was killed.");
    }

    private void Change(StoreChange change, string path, Action done)
    {
        Live();
        Changes.Enqueue((change, path));
        if (Interlocked.Increment(ref _changes) - 1 != FailsAt)
        {
            done();
            return;
        }
        if (LosesAnswer)
            done();
        _isDead = IsKilledThere;
        _blind = BlindFor;
        throw new IOException($"The store did not answer: {change} {path}.");
    }

    private sealed class Reader(MemoryRunStore store, string path, byte[] bytes) : IStoreReader
    {
        public long Length => bytes.Length;

        public async ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            if (store.ForgetsWhatIsOpen && !store._objects.ContainsKey(path))
                throw new FileNotFoundException($"There is no '{path}' in {store.Root} any more.", path);
            int count = (int)Math.Clamp(bytes.Length - offset, 0, destination.Length);
            bytes.AsSpan((int)Math.Min(offset, bytes.Length), count).CopyTo(destination.Span);
            return count;
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class Writer(MemoryRunStore store, string path, long length) : IStoreWriter
    {
        private readonly byte[] _bytes = new byte[length];
        private long _written;

        public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            cancellationToken.ThrowIfCancellationRequested();
            store.Change(StoreChange.Write, path, () => bytes.CopyTo(_bytes.AsMemory((int)offset)));
            Interlocked.Add(ref _written, bytes.Length);
        }

        public ValueTask CompleteAsync(CancellationToken cancellationToken = default)
        {
            if (_written != _bytes.Length)
                throw new InvalidOperationException($"{path} has {_written} of {_bytes.Length} bytes.");
            store.Change(StoreChange.Complete, path, () => store._objects[path] = _bytes);
            store.Unfinished.TryRemove(path, out _);
            return ValueTask.CompletedTask;
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
