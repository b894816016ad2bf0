namespace Cairn.Stores;

/// <summary>
/// Where a run lives: what both a disk and an object store can do. Paths are relative to the root, with <c>/</c> between names; a folder is there while
/// something is in it, and cannot be made or renamed. An object appears whole or not at all, and what a call that has returned did is durable. May be
/// called from several threads. What a store refuses is an <see cref="IOException"/> or an <see cref="UnauthorizedAccessException"/>; after one, the operation may have
/// been done all the same.
/// </summary>
public interface IRunStore
{
    /// <summary>The root as a person would write it, for messages.</summary>
    string Root { get; }

    /// <summary>What stands in a folder, objects and folders, in no order; empty when there is no such folder. Objects that are being written are not among them.</summary>
    ValueTask<IReadOnlyList<FileSystemEntry>> ListAsync(string folder, CancellationToken cancellationToken = default);

    /// <summary>Opens an object for reading.</summary>
    /// <exception cref="FileNotFoundException">There is no such object.</exception>
    ValueTask<IStoreReader> OpenReadAsync(string path, CancellationToken cancellationToken = default);

    /// <summary>Begins an object of a known length. One that is there is replaced when this one is complete.</summary>
    ValueTask<IStoreWriter> CreateAsync(string path, long length, CancellationToken cancellationToken = default);

    /// <summary>Puts a small object in its place, over one that is there.</summary>
    ValueTask PutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default);

    /// <summary>Puts a small object where there is none. Of many callers, one gets <see langword="true"/>.</summary>
    ValueTask<bool> TryPutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default);

    /// <summary>Makes an object of the bytes of another one inside the store, so that none of them travels; of the two, either can be removed or replaced without the other. By default a store cannot.</summary>
    /// <returns>Whether it was done; where not, nothing is at the new path.</returns>
    /// <exception cref="FileNotFoundException">There is no such object.</exception>
    ValueTask<bool> TryCopyAsync(string from, string to, CancellationToken cancellationToken = default) => new(false);

    /// <summary>Removes an object; nothing happens when there is none.</summary>
    ValueTask DeleteAsync(string path, CancellationToken cancellationToken = default);
}

/// <summary>An object that is open for reading. Reads may come from several threads at once.</summary>
public interface IStoreReader : IAsyncDisposable
{
    /// <summary>Bytes in the object.</summary>
    long Length { get; }

    /// <summary>Reads at an offset; fills <paramref name="destination"/> unless the object ends first. Returns the bytes read.</summary>
    /// <exception cref="FileNotFoundException">The object was removed meanwhile; a store may also go on reading it.</exception>
    ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken = default);
}

/// <summary>An object that is being written. Disposed before it is complete, it never was.</summary>
public interface IStoreWriter : IAsyncDisposable
{
    /// <summary>Writes a block at an offset, once. Blocks may come in any order, and from several threads at once. All but the last of the object have the same length, 8 MiB.</summary>
    ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default);

    /// <summary>Makes the object visible and durable, when all of its bytes were written.</summary>
    ValueTask CompleteAsync(CancellationToken cancellationToken = default);
}
