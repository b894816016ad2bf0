namespace Cairn.Stores;

/// <summary>One entry of a folder.</summary>
/// <param name="Name">The name, without the folder.</param>
/// <param name="IsFolder">Whether it is a folder.</param>
/// <param name="Length">Bytes of a file; 0 for a folder.</param>
public readonly record struct FileSystemEntry(string Name, bool IsFolder, long Length);

/// <summary>
/// Files that can be listed and read, wherever they are: a folder, an object store, one copy of a run. Paths are relative to the root, with <c>/</c> between
/// names; the root itself is the empty path. Failures are <see cref="IOException"/>s and <see cref="UnauthorizedAccessException"/>s. May be used from several threads.
/// </summary>
public interface IFileSource
{
    /// <summary>The root as a person would write it, for messages.</summary>
    string Root { get; }
    /// <summary>The entries of a folder in no order; empty when there is no such folder.</summary>
    IReadOnlyList<FileSystemEntry> List(string folder);
    /// <summary>Whether there is such a file.</summary>
    bool FileExists(string path);
    /// <summary>Whether there is such a folder.</summary>
    bool FolderExists(string path);
    /// <summary>Opens a file for reading.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    IReadableFile OpenRead(string path);
}

/// <summary>A file open for reading. Reads may come from several threads.</summary>
public interface IReadableFile : IDisposable
{
    /// <summary>Bytes in the file.</summary>
    long Length { get; }
    /// <summary>Reads at an offset; fills <paramref name="destination"/> unless the file ends first. Returns the bytes read.</summary>
    int Read(long offset, Span<byte> destination);
}
