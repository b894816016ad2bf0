using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>What is wrong with a store.</summary>
public enum Unreliability
{
    /// <summary>Calls end with an error, before they are done or after it.</summary>
    Flaky,
    /// <summary>Calls take turns that nobody expects, so that those begun later may end earlier.</summary>
    Slow,
    /// <summary>Objects are kept without their end, and said to be complete.</summary>
    Truncating,
    /// <summary>What was not done is said to be done.</summary>
    Lying,
}

/// <summary>A store that does not keep its word now and then, as a seed has it; but of the run's lock it does.</summary>
internal sealed class UnreliableRunStore(MemoryRunStore inner, Unreliability how, int seed) : IRunStore
{
    private const double Share = 0.05;

    private readonly Random _random = new(seed);
    private readonly Lock _gate = new();

    /// <summary>How often it did not.</summary>
    public int Faults { get; private set; }

    /// <summary>Whether it keeps its word from now on.</summary>
    public bool IsMended { get; set; }

    public string Root => inner.Root;

    public async ValueTask<IReadOnlyList<FileSystemEntry>> ListAsync(string folder, CancellationToken cancellationToken = default)
    {
        await Read(folder);
        return await inner.ListAsync(folder, cancellationToken);
    }

    public async ValueTask<IStoreReader> OpenReadAsync(string path, CancellationToken cancellationToken = default)
    {
        await Read(path);
        return await inner.OpenReadAsync(path, cancellationToken);
    }

    public async ValueTask<IStoreWriter> CreateAsync(string path, long length, CancellationToken cancellationToken = default) =>
        new Writer(this, path, length, await inner.CreateAsync(path, length, cancellationToken));

    public async ValueTask PutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) =>
        await Change(path, true, () => inner.PutAsync(path, content, cancellationToken), () => inner.PutAsync(path, content[..(content.Length / 2)], cancellationToken));

    public async ValueTask<bool> TryPutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        bool isFirst = true;
        await Change(path, true, async () => isFirst = await inner.TryPutAsync(path, content, cancellationToken), async () => isFirst = await inner.TryPutAsync(path, content[..(content.Length / 2)], cancellationToken));
        return isFirst;
    }

    public async ValueTask<bool> TryCopyAsync(string from, string to, CancellationToken cancellationToken = default)
    {
        await Change(to, true, async () => await inner.TryCopyAsync(from, to, cancellationToken), async () =>
        {
            await using IStoreReader source = await inner.OpenReadAsync(from, cancellationToken);
            byte[] half = new byte[source.Length / 2];
            await source.ReadAsync(0, half, cancellationToken);
            await inner.PutAsync(to, half, cancellationToken);
        });
        return true;
    }

    public async ValueTask DeleteAsync(string path, CancellationToken cancellationToken = default) =>
        await Change(path, false, () => inner.DeleteAsync(path, cancellationToken), () => ValueTask.CompletedTask);

    private async ValueTask Read(string path)
    {
        await Turns();
        if (how == Unreliability.Flaky && IsTime(path))
            throw new IOException($"The store did not answer: {path}.");
    }

    private async ValueTask Change(string path, bool canBeCut, Func<ValueTask> whole, Func<ValueTask> cut)
    {
        await Turns();
        if (how == Unreliability.Slow || how == Unreliability.Truncating && !canBeCut || !IsTime(path))
        {
            await whole();
            return;
        }
        if (how == Unreliability.Truncating)
            await cut();
        if (how != Unreliability.Flaky)
            return;
        if (IsDone())
            await whole();
        throw new IOException($"The store did not answer: {path}.");
    }

    private async ValueTask Turns()
    {
        int turns = 0;
        if (how == Unreliability.Slow)
        {
            lock (_gate)
                turns = _random.Next(20);
        }
        for (int i = 0; i < turns; i++)
            await Task.Yield();
    }

    private bool IsTime(string path)
    {
        lock (_gate)
        {
            // What is left of a lock is waited for as long as a lease lasts.
            bool isTime = !IsMended && !path.StartsWith(RunLock.FileName, StringComparison.Ordinal) && _random.NextDouble() < Share;
            Faults += isTime ? 1 : 0;
            return isTime;
        }
    }

    private bool IsDone()
    {
        lock (_gate)
            return _random.Next(2) == 0;
    }

    private sealed class Writer(UnreliableRunStore store, string path, long length, IStoreWriter inner) : IStoreWriter
    {
        private readonly byte[] _bytes = new byte[length];

        public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        {
            bytes.CopyTo(_bytes.AsMemory((int)offset));
            await store.Turns();
            await inner.WriteAsync(offset, bytes, cancellationToken);
        }

        public async ValueTask CompleteAsync(CancellationToken cancellationToken = default) =>
            await store.Change(path, true, () => inner.CompleteAsync(cancellationToken), () => store.Cut(path, _bytes, cancellationToken));

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    private ValueTask Cut(string path, byte[] bytes, CancellationToken cancellationToken) => inner.PutAsync(path, bytes.AsMemory(0, bytes.Length / 2), cancellationToken);
}
