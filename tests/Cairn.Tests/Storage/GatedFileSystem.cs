using Cairn.Storage;

namespace Cairn.Tests.Storage;

/// <summary>A store whose saves stand still while a gate is closed: a slow disk without a clock.</summary>
internal sealed class GatedFileSystem(IFileSystem inner) : IFileSystem, IDisposable
{
    readonly ManualResetEventSlim _gate = new(initialState: true);

    public string Root => inner.Root;
    public bool CanExchange => inner.CanExchange;
    public void Dispose() => _gate.Dispose();
    public void Close() => _gate.Reset();
    public void Open() => _gate.Set();

    public IWritableFile OpenWrite(string path, long length)
    {
        if (path.StartsWith(".staging", StringComparison.Ordinal))
            _gate.Wait();
        return inner.OpenWrite(path, length);
    }

    public long? AvailableBytes() => inner.AvailableBytes();
    public IReadOnlyList<FileSystemEntry> List(string folder) => inner.List(folder);
    public bool FileExists(string path) => inner.FileExists(path);
    public bool FolderExists(string path) => inner.FolderExists(path);
    public void CreateFolder(string path) => inner.CreateFolder(path);
    public IReadableFile OpenRead(string path) => inner.OpenRead(path);
    public void SyncFolder(string path) => inner.SyncFolder(path);
    public bool CanOverwrite(string path) => inner.CanOverwrite(path);
    public void Move(string from, string to) => inner.Move(from, to);
    public void Exchange(string first, string second) => inner.Exchange(first, second);
    public void DeleteFile(string path) => inner.DeleteFile(path);
    public void DeleteFolder(string path) => inner.DeleteFolder(path);
    public void Append(string path, ReadOnlySpan<byte> bytes, bool durable) => inner.Append(path, bytes, durable);
}
