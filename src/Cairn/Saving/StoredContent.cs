using Cairn.Checkpoints;
using Cairn.Formats;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>A file of a copy that stands elsewhere, byte for byte, hashed in the chunks in which its marker has it. Opened by the first read.</summary>
/// <param name="files">The copy.</param>
/// <param name="path">The file.</param>
/// <param name="file">What the copy's marker says of it.</param>
internal sealed class StoredContent(IFileSource files, string path, MarkedFile file) : IRangedContent, IDisposable
{
    private readonly Lazy<IReadableFile> _open = new(() => files.OpenRead(path));

    /// <summary>The hashes that its marker vouches for.</summary>
    public ChunkHashes Hashes => file.Hashes;

    public long Length => file.Length;
    public IReadOnlyList<TensorPlacement> Tensors => [];
    public bool IsFar => true;

    public void Read(long offset, Span<byte> destination)
    {
        for (int done = 0; done < destination.Length;)
        {
            int read = _open.Value.Read(offset + done, destination[done..]);
            if (read <= 0)
                throw new CorruptCheckpointException($"'{path}' in {files.Root} ends after {offset + done} of {Length} bytes.") { Path = path };
            done += read;
        }
    }

    public bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        return false;
    }

    public void WriteTo(BlockSink sink)
    {
        byte[] block = new byte[(int)Math.Min(BlockWriter.BlockLength, Length)];
        for (long offset = 0; offset < Length; offset += block.Length)
        {
            Span<byte> part = block.AsSpan(0, (int)Math.Min(block.Length, Length - offset));
            Read(offset, part);
            sink(part, null, null);
        }
    }

    public void Dispose()
    {
        if (_open.IsValueCreated)
            _open.Value.Dispose();
    }
}
