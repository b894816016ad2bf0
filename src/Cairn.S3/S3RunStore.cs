using Cairn.Stores;

namespace Cairn.S3;

/// <summary>
/// A run in a bucket of an object store that speaks S3. The service must put an object only where none is when it is asked to (<c>If-None-Match: *</c>), as AWS and Ceph do; a
/// run's start tries that. What a call fails with says what is wrong and what to do: a service that is overloaded or cannot be reached is tried again for
/// <see cref="S3StoreOptions.RetryFor"/>, a wrong key, a missing bucket or a used-up quota ends the call at once. TLS is always verified.
/// </summary>
public sealed class S3RunStore : IRunStore, IUnfinishedObjects, IAsyncDisposable
{
    private readonly S3Bucket _bucket;
    private readonly int _partBytes;

    /// <summary>Opens a place in a bucket; nothing is asked of the service yet.</summary>
    /// <param name="address">The place.</param>
    /// <param name="options">How the service is reached.</param>
    /// <param name="time">The clock of pauses and limits; the system's by default.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    /// <exception cref="FormatException">Neither service nor region are known, or a variable of the environment is wrong.</exception>
    public S3RunStore(S3Address address, S3StoreOptions? options = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        options ??= new S3StoreOptions();
        S3StoreOptions.Check(options);
        _partBytes = options.PartBytes;
        _bucket = new S3Bucket(new S3Connection(address, options, time ?? TimeProvider.System));
    }

    /// <summary>Bytes of the largest object that is copied in one request, and of each part of a larger one.</summary>
    internal long LargestCopy { init => _bucket.LargestCopy = value; }

    /// <summary>The place.</summary>
    public S3Address Address => _bucket.Address;

    /// <inheritdoc/>
    public string Root => Address.ToString();

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<FileSystemEntry>> ListAsync(string folder, CancellationToken cancellationToken = default) =>
        [.. (await _bucket.ListAsync(folder, cancellationToken).ConfigureAwait(false)).Select(static entry => new FileSystemEntry(entry.Name, entry.IsFolder, entry.Length))];

    /// <inheritdoc/>
    public async ValueTask<IStoreReader> OpenReadAsync(string path, CancellationToken cancellationToken = default) =>
        await _bucket.HeadAsync(path, cancellationToken).ConfigureAwait(false) is { } head
            ? new S3Reader(_bucket, path, head, _partBytes)
            : throw new FileNotFoundException($"There is no '{path}' in {Root}.", path);

    /// <inheritdoc/>
    public async ValueTask<IStoreWriter> CreateAsync(string path, long length, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        int partBytes = S3Parts.BytesOfPart(length, _partBytes);
        return length <= partBytes
            ? new WholeObjectWriter(_bucket, path, (int)length)
            : await PartsWriter.BeginAsync(_bucket.Uploads, path, length, partBytes, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask PutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) =>
        await _bucket.PutAsync(path, content, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<bool> TryPutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) =>
        await _bucket.TryPutAsync(path, content, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<bool> TryCopyAsync(string from, string to, CancellationToken cancellationToken = default) =>
        await _bucket.TryCopyAsync(from, to, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask DeleteAsync(string path, CancellationToken cancellationToken = default) =>
        await _bucket.DeleteAsync(path, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask RemoveUnfinishedAsync(Func<string, bool> isMeant, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(isMeant);
        try
        {
            foreach ((string path, string upload) in await _bucket.Uploads.ListAsync(cancellationToken).ConfigureAwait(false))
            {
                if (isMeant(path))
                    await _bucket.Uploads.AbortAsync(path, upload, null, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (UnauthorizedAccessException)
        {
            // A key need not be allowed to see or end uploads. Whoever gave it has a rule of the bucket for that.
        }
    }

    /// <summary>Closes the connections.</summary>
    public ValueTask DisposeAsync()
    {
        _bucket.Dispose();
        return ValueTask.CompletedTask;
    }
}
