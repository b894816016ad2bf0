using Cairn.Stores;

namespace Cairn.Cli.Verification;

/// <summary>Says how many bytes were read through it, from any thread.</summary>
internal sealed class MeteredFileSource(IFileSource inner, Action<long> read) : IFileSource
{
    public string Root => inner.Root;
    public IReadOnlyList<FileSystemEntry> List(string folder) => inner.List(folder);
    public bool FileExists(string path) => inner.FileExists(path);
    public bool FolderExists(string path) => inner.FolderExists(path);
    public IReadableFile OpenRead(string path) => new MeteredFile(inner.OpenRead(path), read);

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
