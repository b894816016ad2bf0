using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>Between two calls of a process, another process does something.</summary>
internal sealed class InterruptedRunStore(IRunStore inner, int at, Action other) : IRunStore
{
    int _calls;

    /// <summary>How many calls there were.</summary>
    public int Calls => _calls;

    public string Root => inner.Root;

    public ValueTask<IReadOnlyList<FileSystemEntry>> ListAsync(string folder, CancellationToken cancellationToken = default) => After(() => inner.ListAsync(folder, cancellationToken));
    public ValueTask<IStoreReader> OpenReadAsync(string path, CancellationToken cancellationToken = default) => After(() => inner.OpenReadAsync(path, cancellationToken));
    public ValueTask<IStoreWriter> CreateAsync(string path, long length, CancellationToken cancellationToken = default) => After(() => inner.CreateAsync(path, length, cancellationToken));
    public ValueTask PutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) => After(() => inner.PutAsync(path, content, cancellationToken));
    public ValueTask<bool> TryPutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) => After(() => inner.TryPutAsync(path, content, cancellationToken));
    public ValueTask<bool> TryCopyAsync(string from, string to, CancellationToken cancellationToken = default) => After(() => inner.TryCopyAsync(from, to, cancellationToken));
    public ValueTask DeleteAsync(string path, CancellationToken cancellationToken = default) => After(() => inner.DeleteAsync(path, cancellationToken));

    T After<T>(Func<T> call)
    {
        if (_calls++ == at)
            other();
        return call();
    }
}
