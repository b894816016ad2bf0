using Cairn.Storage;

namespace Cairn.Tests.Storage;

/// <summary>Passes everything on, and calls back before a file is opened for reading and before a folder is listed: what another process does at that moment.</summary>
internal sealed class WatchedFileSystem(IFileSystem inner, Action<string> before) : IFileSystem
{
    /// <summary>Whether the files lose what the system knows them by.</summary>
    public bool HidesIdentity { get; init; }

    public string Root => inner.Root;
    public bool CanExchange => inner.CanExchange;
    public long? AvailableBytes() => inner.AvailableBytes();
    public bool FileExists(string path) => inner.FileExists(path);
    public bool FolderExists(string path) => inner.FolderExists(path);
    public void CreateFolder(string path) => inner.CreateFolder(path);
    public IWritableFile OpenWrite(string path, long length) => inner.OpenWrite(path, length);
    public bool CanOverwrite(string path) => inner.CanOverwrite(path);
    public void SyncFolder(string path) => inner.SyncFolder(path);
    public void Move(string from, string to) => inner.Move(from, to);
    public void Exchange(string first, string second) => inner.Exchange(first, second);
    public void DeleteFile(string path) => inner.DeleteFile(path);
    public void DeleteFolder(string path) => inner.DeleteFolder(path);
    public void Append(string path, ReadOnlySpan<byte> bytes, bool durable) => inner.Append(path, bytes, durable);

    public IReadOnlyList<FileSystemEntry> List(string folder)
    {
        before(folder);
        return inner.List(folder);
    }

    public IReadableFile OpenRead(string path)
    {
        before(path);
        IReadableFile file = inner.OpenRead(path);
        return HidesIdentity ? new FileSlice(file, 0, file.Length, leaveOpen: false) : file;
    }
}
