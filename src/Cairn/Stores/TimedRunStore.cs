namespace Cairn.Stores;

/// <summary>A store whose calls are watched.</summary>
internal sealed class TimedRunStore(IRunStore inner, SignsOfLife signs) : IRunStore
{
    public string Root => inner.Root;

    public ValueTask<IReadOnlyList<FileSystemEntry>> ListAsync(string folder, CancellationToken cancellationToken = default) =>
        Do($"list {folder}", () => inner.ListAsync(folder, cancellationToken));

    public async ValueTask<IStoreReader> OpenReadAsync(string path, CancellationToken cancellationToken = default) =>
        new Reader(this, path, await Do($"open {path}", () => inner.OpenReadAsync(path, cancellationToken)).ConfigureAwait(false));

    public async ValueTask<IStoreWriter> CreateAsync(string path, long length, CancellationToken cancellationToken = default) =>
        new Writer(this, path, await Change($"create {path}", path, () => inner.CreateAsync(path, length, cancellationToken)).ConfigureAwait(false));

    public ValueTask PutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) =>
        Change($"put {path}", path, () => inner.PutAsync(path, content, cancellationToken));

    public ValueTask<bool> TryPutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) =>
        Change($"put {path}", path, () => inner.TryPutAsync(path, content, cancellationToken));

    public ValueTask<bool> TryCopyAsync(string from, string to, CancellationToken cancellationToken = default) =>
        Change($"copy {from}", to, () => inner.TryCopyAsync(from, to, cancellationToken));

    public async ValueTask DeleteAsync(string path, CancellationToken cancellationToken = default) => await Do($"delete {path}", Answered(() => inner.DeleteAsync(path, cancellationToken))).ConfigureAwait(false);

    // Nothing is written any more once the save was given up.
    private ValueTask<T> Change<T>(string what, string path, Func<ValueTask<T>> call)
    {
        signs.ThrowIfGivenUp(path);
        return Do(what, call);
    }

    private async ValueTask Change(string what, string path, Func<ValueTask> call) => await Change(what, path, Answered(call)).ConfigureAwait(false);

    private async ValueTask<T> Do<T>(string what, Func<ValueTask<T>> call)
    {
        signs.Began(what);
        try
        {
            return await call().ConfigureAwait(false);
        }
        finally
        {
            signs.Ended(what);
        }
    }

    private static Func<ValueTask<bool>> Answered(Func<ValueTask> call) => async () =>
    {
        await call().ConfigureAwait(false);
        return true;
    };

    private sealed class Reader(TimedRunStore owner, string path, IStoreReader reader) : IStoreReader
    {
        public long Length => reader.Length;

        public ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken = default) =>
            owner.Do($"read {path}", () => reader.ReadAsync(offset, destination, cancellationToken));

        public ValueTask DisposeAsync() => reader.DisposeAsync();
    }

    private sealed class Writer(TimedRunStore owner, string path, IStoreWriter writer) : IStoreWriter
    {
        public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) =>
            owner.Change($"write {path}", path, () => writer.WriteAsync(offset, bytes, cancellationToken));

        public ValueTask CompleteAsync(CancellationToken cancellationToken = default) => owner.Change($"complete {path}", path, () => writer.CompleteAsync(cancellationToken));

        public ValueTask DisposeAsync() => writer.DisposeAsync();
    }
}
