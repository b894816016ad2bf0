using System.Collections.Concurrent;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>Passes everything on, and knows how many bytes of each file were read. What was read whole before may be other bytes the next time.</summary>
internal sealed class CountedReads(IFileSystem inner) : ForwardingFileSystem(inner)
{
    private readonly ConcurrentDictionary<string, long> _read = new(StringComparer.Ordinal);

    /// <summary>Bytes read, by path.</summary>
    public IReadOnlyDictionary<string, long> Read => _read;

    /// <summary>What becomes of bytes of a file that was read whole before.</summary>
    public Action<string, byte[]>? Again { get; init; }

    /// <summary>Whether the system says that it has all of a file in memory.</summary>
    public bool IsCached { get; init; }

    public override IReadableFile OpenRead(string path) => new Counted(this, path, Inner.OpenRead(path));

    private sealed class Counted(CountedReads owner, string path, IReadableFile file) : ICachedFile
    {
        public long Length => file.Length;
        public int BlockBytes => 4 << 20;
        public bool IsCached(long offset, int length) => owner.IsCached;
        public int ReadOnce(long offset, Span<byte> destination) => Read(offset, destination);

        public int Read(long offset, Span<byte> destination)
        {
            bool again = owner._read.GetValueOrDefault(path) >= Length;
            int count = file.Read(offset, destination);
            owner._read.AddOrUpdate(path, count, (_, before) => before + count);
            if (!again || owner.Again is not { } alter)
                return count;
            byte[] bytes = destination[..count].ToArray();
            alter(path, bytes);
            bytes.CopyTo(destination);
            return count;
        }

        public void Dispose() => file.Dispose();
    }
}
