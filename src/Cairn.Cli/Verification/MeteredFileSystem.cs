using Cairn.Stores;

namespace Cairn.Cli.Verification;

/// <summary>A file system that says how many bytes were read through it, from any thread.</summary>
internal sealed class MeteredFileSystem(IFileSystem inner, Action<long> read) : ForwardingFileSystem(inner)
{
    public override IReadableFile OpenRead(string path) => new MeteredFile(Inner.OpenRead(path), read);

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
