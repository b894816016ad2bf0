using System.Buffers;
using System.IO.Hashing;
using Cairn.Formats;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>Takes a block of a file.</summary>
internal delegate void TakeBlock(long offset, ReadOnlySpan<byte> block);

/// <summary>One pass over a chunk of a file: each block is made, hashed and looked at while it is warm, and given to whoever writes it.</summary>
internal static class ChunkPass
{
    private const int PieceBytes = 256 << 10;

    /// <summary>Goes through a chunk.</summary>
    /// <param name="content">The file.</param>
    /// <param name="start">Where the chunk begins.</param>
    /// <param name="end">Where it ends.</param>
    /// <param name="wantsPages">Whether blocks are taken best from memory that begins at a multiple of <see cref="AlignedMemory.Alignment"/>.</param>
    /// <param name="found">Called for each tensor that holds NaN or infinity; <see langword="null"/> not to look.</param>
    /// <param name="take">Takes each block.</param>
    /// <returns>The chunk's hash.</returns>
    public static UInt128 Run(IRangedContent content, long start, long end, bool wantsPages, Action<string>? found, TakeBlock take)
    {
        var hash = new XxHash128();
        using var memory = new BlockMemory(content.Length);
        for (long offset = start; offset < end;)
        {
            int count = (int)Math.Min(AlignedMemory.Shared.BlockBytes, end - offset);
            bool isThere = content.TryGetSpan(offset, count, out ReadOnlySpan<byte> block) && (!wantsPages || AlignedMemory.IsAligned(block));
            Span<byte> made = isThere ? [] : memory.Span[..count];
            int pieceBytes = content.IsFar ? count : PieceBytes;
            // Piece by piece, so that what was copied is hashed and looked at in the processor's own cache.
            for (int at = 0; at < count; at += pieceBytes)
            {
                int length = Math.Min(pieceBytes, count - at);
                if (!isThere)
                    content.Read(offset + at, made.Slice(at, length));
                ReadOnlySpan<byte> piece = isThere ? block.Slice(at, length) : made.Slice(at, length);
                hash.Append(piece);
                if (found is not null && TensorRanges.FirstNonFinite(content.Tensors, offset + at, piece) is { } tensor)
                    found(tensor);
            }
            take(offset, isThere ? block : made);
            offset += count;
        }
        return hash.GetCurrentHashAsUInt128();
    }

    private sealed class BlockMemory(long length) : IDisposable
    {
        private IMemoryOwner<byte>? _owner;

        public Span<byte> Span => (_owner ??= AlignedMemory.Shared.Rent(length)).Memory.Span;

        public void Dispose() => _owner?.Dispose();
    }
}
