using Cairn.Formats;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Tests.Formats;

/// <summary>Files that are byte arrays. Reads give at most <paramref name="shortRead"/> bytes at once, as a pipe or a network file may.</summary>
internal sealed class FilesInMemory(int shortRead = int.MaxValue) : IFileSystem
{
    public Dictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);
    public int Open { get; private set; }

    public string Root => "memory";
    public bool CanExchange => false;
    public long? AvailableBytes() => null;
    public bool FileExists(string path) => Files.ContainsKey(path);

    public IReadableFile OpenRead(string path)
    {
        Open++;
        return new File(this, Files[path], shortRead);
    }

    public IReadOnlyList<FileSystemEntry> List(string folder)
    {
        string prefix = folder.Length == 0 ? "" : folder + "/";
        return [.. Files.Where(file => file.Key.StartsWith(prefix, StringComparison.Ordinal)).GroupBy(file => file.Key[prefix.Length..].Split('/')[0], StringComparer.Ordinal)
            .Select(entry => new FileSystemEntry(entry.Key, !Files.ContainsKey(prefix + entry.Key), Files.TryGetValue(prefix + entry.Key, out byte[]? bytes) ? bytes.Length : 0))];
    }

    public bool FolderExists(string path) => path.Length == 0 || Files.Keys.Any(name => name.StartsWith(path + "/", StringComparison.Ordinal));
    public void CreateFolder(string path) => throw new NotSupportedException();
    public IWritableFile OpenWrite(string path, long length) => throw new NotSupportedException();
    public void SyncFolder(string path) => throw new NotSupportedException();
    public void Move(string from, string to) => throw new NotSupportedException();
    public void Exchange(string first, string second) => throw new NotSupportedException();
    public void DeleteFile(string path) => throw new NotSupportedException();
    public void DeleteFolder(string path) => throw new NotSupportedException();
    public void Append(string path, ReadOnlySpan<byte> bytes, bool durable) => throw new NotSupportedException();

    private sealed class File(FilesInMemory owner, byte[] bytes, int shortRead) : IReadableFile
    {
        public long Length => bytes.Length;

        public int Read(long offset, Span<byte> destination)
        {
            // A file can be cut after it was opened.
            byte[] now = owner.Files.ContainsValue(bytes) ? bytes : [];
            int length = (int)Math.Min(Math.Min(destination.Length, shortRead), Math.Max(0, now.Length - offset));
            now.AsSpan((int)Math.Min(offset, now.Length), length).CopyTo(destination);
            return length;
        }

        public void Dispose() => owner.Open--;
    }
}

/// <summary>Tensors and sinks for tests.</summary>
internal static class TestTensors
{
    public static MemoryTensor Of(TensorType type, params long[] shape)
    {
        byte[] bytes = new byte[type.ByteLength(shape)];
        new Random(17 + (int)type).NextBytes(bytes);
        return new MemoryTensor(type, shape, bytes);
    }

    public static byte[] Bytes(this StateTensor tensor)
    {
        byte[] bytes = new byte[tensor.ByteLength];
        tensor.CopyTo(0, bytes);
        return bytes;
    }

    public static byte[] Written(Action<BlockSink> writeTo)
    {
        using var stream = new MemoryStream();
        writeTo((bytes, _, _) => stream.Write(bytes));
        return stream.ToArray();
    }
}

/// <summary>A tensor that can only be copied, as on a device.</summary>
internal sealed class CopyOnlyTensor(MemoryTensor source) : StateTensor(source.Type, source.Shape.ToArray())
{
    public override void CopyTo(long offset, Span<byte> destination) => source.CopyTo(offset, destination);
}
