using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>The files of a copy that another program wrote.</summary>
internal interface IUnmarkedCopy
{
    /// <summary>The files, those that mark the copy last.</summary>
    IReadOnlyList<FileSystemEntry> Files { get; }

    /// <summary>Writes one of them to its end, and makes it durable.</summary>
    void Write(FileSystemEntry file, IWritableFile to);

    /// <summary>Compares some of them with what was read from their source.</summary>
    /// <param name="files">The run.</param>
    /// <param name="place">Where they were written.</param>
    /// <param name="some">Which.</param>
    /// <exception cref="StoreException">One is not what was sent.</exception>
    void Check(IFileSource files, string place, IEnumerable<FileSystemEntry> some);
}
