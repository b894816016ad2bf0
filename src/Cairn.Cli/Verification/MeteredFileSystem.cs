using Cairn.Storage;

namespace Cairn.Cli.Verification;

/// <summary>A file system that says how many bytes were read through it, from any thread.</summary>
internal sealed class MeteredFileSystem(IFileSystem inner, Action<long> read) : IFileSystem
{
    public string Root => inner.Root;
    public bool CanExchange => inner.CanExchange;
    public long? AvailableBytes() => inner.AvailableBytes();
    public IReadOnlyList<FileSystemEntry> List(string folder) => inner.List(folder);
    public bool FileExists(string path) => inner.FileExists(path);
    public bool FolderExists(string path) => inner.FolderExists(path);
    public void CreateFolder(string path) => inner.CreateFolder(path);
    public IReadableFile OpenRead(string path) => new MeteredFile(inner.OpenRead(path), read);
    public IWritableFile OpenWrite(string path, long length) => inner.OpenWrite(path, length);
    public bool CanOverwrite(string path) => inner.CanOverwrite(path);
    public void SyncFolder(string path) => inner.SyncFolder(path);
    public void Move(string from, string to) => inner.Move(from, to);
    public void Exchange(string first, string second) => inner.Exchange(first, second);
    public void DeleteFile(string path) => inner.DeleteFile(path);
    public void DeleteFolder(string path) => inner.DeleteFolder(path);
    public void Append(string path, ReadOnlySpan<byte> bytes, bool durable) => inner.Append(path, bytes, durable);

    private sealed class MeteredFile(IReadableFile file, Action<long> read) : IReadableFile
    {
        public long Length => file.Length;

        public int Read(long offset, Span<byte> destination)
        {
            int count = file.Read(offset, destination);
            read(count);
            return count;
        }

        public void Dispose() => file.Dispose();
    }
}
