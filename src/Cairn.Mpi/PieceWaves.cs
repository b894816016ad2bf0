using Cairn.Ranks;

namespace Cairn.Mpi;

/// <summary>
/// Cuts pieces into waves in which no rank owns more than so many bytes. Every rank cuts alike, since the cut depends on
/// sizes and owners alone.
/// </summary>
internal sealed class PieceWaves
{
    private readonly Queue<MemoryPiece>[] _left;
    private readonly long _elements;
    private readonly int _width;

    /// <summary>All pieces still to go.</summary>
    /// <param name="pieces">The pieces.</param>
    /// <param name="size">Number of ranks.</param>
    /// <param name="bytes">Most bytes of one owner in a wave; more than an element takes.</param>
    /// <param name="width">Bytes of an element.</param>
    public PieceWaves(ReadOnlySpan<MemoryPiece> pieces, int size, long bytes, int width)
    {
        _left = new Queue<MemoryPiece>[size];
        for (int rank = 0; rank < size; rank++)
            _left[rank] = [];
        foreach (MemoryPiece piece in pieces)
        {
            if (piece.Elements > 0)
                _left[piece.Owner].Enqueue(piece);
        }
        (_elements, _width) = (bytes / width, width);
    }

    /// <summary>Replaces the content of <paramref name="wave"/> by the next one.</summary>
    /// <returns>False when all is done.</returns>
    public bool Next(List<MemoryPiece> wave)
    {
        wave.Clear();
        for (int rank = 0; rank < _left.Length; rank++)
        {
            long room = _elements;
            while (room > 0 && _left[rank].TryDequeue(out MemoryPiece piece))
            {
                long taken = Math.Min(room, piece.Elements);
                wave.Add(piece with { Elements = taken });
                room -= taken;
                if (taken < piece.Elements)
                    PutBack(rank, new MemoryPiece(piece.Address + (nint)(taken * _width), piece.Elements - taken, rank));
            }
        }
        return wave.Count > 0;
    }

    // What remains of a piece comes first again.
    private void PutBack(int rank, MemoryPiece rest) => _left[rank] = new Queue<MemoryPiece>([rest, .. _left[rank]]);
}
