using System.Buffers;
using System.IO.Hashing;
using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>One chunk of a file that a marker vouches for.</summary>
/// <param name="File">The file.</param>
/// <param name="Index">Which chunk.</param>
internal readonly record struct MarkedChunk(MarkedFile File, int Index)
{
    /// <summary>Offset of its first byte in the file.</summary>
    public long Offset => Index == 0 ? 0 : Index * File.Hashes.ChunkBytes;

    /// <summary>Offset behind its last byte.</summary>
    public long End => Math.Min(File.Length, File.Hashes.ChunkBytes > File.Length - Offset ? File.Length : Offset + File.Hashes.ChunkBytes);

    /// <summary>All chunks of a file.</summary>
    public static IEnumerable<MarkedChunk> Of(MarkedFile file) => Enumerable.Range(0, file.Hashes.Count).Select(i => new MarkedChunk(file, i));
}

/// <summary>Compares chunks of files with their hashes.</summary>
internal static class ChunkCheck
{
    /// <summary>Read and hashed while it is in a processor's own cache.</summary>
    public const int BlockBytes = 256 << 10;

    /// <summary>How many chunks are worth reading at the same time: while some are hashed, others wait for the disk.</summary>
    public static int AtOnce => Math.Clamp(Environment.ProcessorCount * 4, 4, 16);

    /// <summary>Reads a chunk. <see langword="null"/> when it is what the marker says, else what is wrong with it.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="file">Its file, open.</param>
    /// <param name="read">Called with the bytes of each block.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static string? FaultOf(MarkedChunk chunk, IReadableFile file, Action<int>? read, CancellationToken cancellationToken)
    {
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            XxHash128 hash = new();
            for (long offset = chunk.Offset; offset < chunk.End;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int count = file.Read(offset, block.AsSpan(0, (int)Math.Min(BlockBytes, chunk.End - offset)));
                if (count <= 0)
                    return EndsEarly(chunk, offset);
                hash.Append(block.AsSpan(0, count));
                offset += count;
                read?.Invoke(count);
            }
            return FaultOf(chunk, hash);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }

    /// <summary>Reads a chunk, once, into memory that keeps it.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="file">Its file, open.</param>
    /// <param name="memory">As many bytes as the chunk has, rounded up to pages.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <inheritdoc cref="FaultOf(MarkedChunk, IReadableFile, Action{int}, CancellationToken)"/>
    public static string? Read(MarkedChunk chunk, IReadableFile file, Span<byte> memory, CancellationToken cancellationToken)
    {
        XxHash128 hash = new();
        int length = checked((int)(chunk.End - chunk.Offset));
        var cached = file as ICachedFile;
        int most = cached?.BlockBytes ?? BlockBytes;
        for (int done = 0; done < length;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Span<byte> block = memory.Slice(done, Math.Min(most, memory.Length - done));
            int count = Math.Min(length - done, cached?.ReadOnce(chunk.Offset + done, block) ?? file.Read(chunk.Offset + done, block));
            if (count <= 0)
                return EndsEarly(chunk, chunk.Offset + done);
            hash.Append(block[..count]);
            done += count;
        }
        return FaultOf(chunk, hash);
    }

    private static string EndsEarly(MarkedChunk chunk, long offset) => $"the file ends after {offset} of {chunk.File.Length} bytes";

    private static string? FaultOf(MarkedChunk chunk, XxHash128 hash)
    {
        UInt128 found = hash.GetCurrentHashAsUInt128(), expected = chunk.File.Hashes[chunk.Index];
        if (found == expected)
            return null;
        string where = chunk.File.Hashes.Count == 1 ? "its hash" : $"between its bytes {chunk.Offset} and {chunk.End} the hash";
        return $"the file was altered: {where} is {ChunkHashes.Text(found)} instead of {ChunkHashes.Text(expected)}";
    }
}
