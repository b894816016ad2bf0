using System.IO.Hashing;

namespace Cairn.Checkpoints;

/// <summary>Hashes a file whose bytes come in order, chunk by chunk.</summary>
/// <param name="chunkBytes">Bytes of each chunk.</param>
internal sealed class ChunkHasher(long chunkBytes)
{
    private readonly XxHash128 _hash = new();
    private readonly List<UInt128> _done = [];
    private long _inChunk;

    /// <summary>Takes the next bytes.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            // A chunk ends when the next one begins: the last one may be full.
            if (_inChunk == chunkBytes)
                EndChunk();
            int count = (int)Math.Min(bytes.Length, chunkBytes - _inChunk);
            _hash.Append(bytes[..count]);
            _inChunk += count;
            bytes = bytes[count..];
        }
    }

    /// <summary>The hashes of all that came.</summary>
    public ChunkHashes Finish()
    {
        EndChunk();
        return ChunkHashes.Of(chunkBytes, [.. _done]);
    }

    private void EndChunk()
    {
        _done.Add(_hash.GetCurrentHashAsUInt128());
        _hash.Reset();
        _inChunk = 0;
    }
}
