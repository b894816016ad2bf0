using Cairn.Stores;
using System.Buffers.Text;
using System.Text;

namespace Cairn.Extensions.Tests;

/// <summary>
/// A store that answers late: a folder of blobs, whose flat names are the paths in base 64, as a service without folders keeps them. Each call waits for a round
/// trip first; a blob is written in memory and put in one piece.
/// </summary>
public sealed class BlobFolderStore(string place, TimeSpan roundTrip) : IRunStore
{
    private readonly Lock _puts = new();

    public string Root => $"blobs:{place}";

    public async ValueTask<IReadOnlyList<FileSystemEntry>> ListAsync(string folder, CancellationToken cancellationToken = default)
    {
        await Travel(cancellationToken);
        string prefix = folder.Length == 0 ? "" : folder + "/";
        var entries = new Dictionary<string, FileSystemEntry>(StringComparer.Ordinal);
        foreach (FileInfo blob in new DirectoryInfo(place).EnumerateFiles("*.blob"))
        {
            string name = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(Path.GetFileNameWithoutExtension(blob.Name)));
            if (!name.StartsWith(prefix, StringComparison.Ordinal))
                continue;
            string rest = name[prefix.Length..];
            int slash = rest.IndexOf('/', StringComparison.Ordinal);
            string entry = slash < 0 ? rest : rest[..slash];
            entries[entry] = new FileSystemEntry(entry, slash >= 0, slash < 0 ? blob.Length : 0);
        }
        return [.. entries.Values];
    }

    public async ValueTask<IStoreReader> OpenReadAsync(string path, CancellationToken cancellationToken = default)
    {
        await Travel(cancellationToken);
        return new Reader(this, File.OpenRead(BlobOf(path)));
    }

    public async ValueTask<IStoreWriter> CreateAsync(string path, long length, CancellationToken cancellationToken = default)
    {
        await Travel(cancellationToken);
        return new Writer(this, path, length);
    }

    public async ValueTask PutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        await Travel(cancellationToken);
        File.Move(Written(content), BlobOf(path), overwrite: true);
    }

    public async ValueTask<bool> TryPutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        await Travel(cancellationToken);
        // A service decides this for all of its clients; here there is one process.
        lock (_puts)
        {
            if (File.Exists(BlobOf(path)))
                return false;
            File.Move(Written(content), BlobOf(path));
            return true;
        }
    }

    public async ValueTask DeleteAsync(string path, CancellationToken cancellationToken = default)
    {
        await Travel(cancellationToken);
        File.Delete(BlobOf(path));
    }

    private Task Travel(CancellationToken cancellationToken) => Task.Delay(roundTrip, cancellationToken);

    private string BlobOf(string path) => Path.Join(place, Base64Url.EncodeToString(Encoding.UTF8.GetBytes(path)) + ".blob");

    private string Written(ReadOnlyMemory<byte> content)
    {
        string path = Path.Join(place, Guid.NewGuid().ToString("N"));
        File.WriteAllBytes(path, content.Span);
        return path;
    }

    private sealed class Reader(BlobFolderStore store, FileStream blob) : IStoreReader
    {
        public long Length => blob.Length;

        public async ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken = default)
        {
            await store.Travel(cancellationToken);
            return await RandomAccess.ReadAsync(blob.SafeFileHandle, destination, offset, cancellationToken);
        }

        public ValueTask DisposeAsync() => blob.DisposeAsync();
    }

    private sealed class Writer(BlobFolderStore store, string path, long length) : IStoreWriter
    {
        private readonly byte[] _content = new byte[length];

        public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        {
            await store.Travel(cancellationToken);
            bytes.CopyTo(_content.AsMemory((int)offset));
        }

        public ValueTask CompleteAsync(CancellationToken cancellationToken = default) => store.PutAsync(path, _content, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
