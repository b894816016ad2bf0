using System.Buffers;

namespace Cairn.Stores;

/// <summary>A store as files that can be listed and read.</summary>
internal class StoreFiles(IRunStore store) : IFileSource
{
    public string Root => store.Root;

    public IReadOnlyList<FileSystemEntry> List(string folder)
    {
        StorePath.Check(folder, allowRoot: true);
        return StoreCall.Wait(() => store.ListAsync(folder));
    }

    public bool FileExists(string path)
    {
        try
        {
            OpenRead(path).Dispose();
            return true;
        }
        catch (FileNotFoundException)
        {
            return false;
        }
    }

    public bool FolderExists(string path) => List(path).Count > 0;

    public IReadableFile OpenRead(string path)
    {
        StorePath.Check(path);
        return new StoreFile(StoreCall.Wait(() => store.OpenReadAsync(path)));
    }

    private sealed class StoreFile(IStoreReader reader) : ICachedFile
    {
        public long Length => reader.Length;

        // A request takes its time however little it asks for, and a store may answer a large one by several.
        public int BlockBytes => 16 << 20;

        public bool IsCached(long offset, int length) => false;

        public int ReadOnce(long offset, Span<byte> destination) => Read(offset, destination);

        public int Read(long offset, Span<byte> destination)
        {
            byte[] bytes = ArrayPool<byte>.Shared.Rent(destination.Length);
            try
            {
                Memory<byte> memory = bytes.AsMemory(0, destination.Length);
                int read = StoreCall.Wait(() => reader.ReadAsync(offset, memory));
                bytes.AsSpan(0, read).CopyTo(destination);
                return read;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(bytes);
            }
        }

        public void Dispose() => StoreCall.Wait(reader.DisposeAsync);
    }
}
