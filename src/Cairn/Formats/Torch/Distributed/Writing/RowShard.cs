using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Formats.Torch.Distributed.Writing;

/// <summary>Rows of a tensor that one rank writes.</summary>
/// <param name="Rank">The rank.</param>
/// <param name="First">The first row.</param>
/// <param name="Count">How many.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct RowShard(int Rank, long First, long Count)
{
    /// <summary>
    /// Cuts a tensor along its first dimension as <c>torch.chunk</c> does, and so FSDP and <c>DTensor</c>: equal shares, rounded up; the last rank that gets rows gets the rest, and those behind it none.
    /// A single value, and a tensor without elements, is the first rank's.
    /// </summary>
    /// <param name="shape">The tensor's shape.</param>
    /// <param name="ranks">How many ranks write; at least 1.</param>
    public static IEnumerable<RowShard> Of(IReadOnlyList<long> shape, int ranks)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(ranks, 1);
        if (shape.Count == 0 || ranks == 1 || shape.Any(size => size == 0))
        {
            yield return new RowShard(0, 0, shape.Count == 0 ? 1 : shape[0]);
            yield break;
        }
        long rows = shape[0], share = (rows - 1) / ranks + 1;
        for (int rank = 0; rank < ranks && rank * share < rows; rank++)
            yield return new RowShard(rank, rank * share, Math.Min(share, rows - rank * share));
    }

    /// <summary>The rows as a tensor of their own. Nothing is copied until its bytes are asked for.</summary>
    public StateTensor Of(StateTensor tensor) =>
        tensor.Shape.Count == 0 ? tensor : tensor.Slice(ShardExtent.OfBox([.. tensor.Shape], OffsetIn(tensor), SizesIn(tensor)));

    /// <summary>Where the rows begin in the tensor, for each dimension.</summary>
    public long[] OffsetIn(StateTensor tensor)
    {
        long[] offset = new long[tensor.Shape.Count];
        if (offset.Length > 0)
            offset[0] = First;
        return offset;
    }

    /// <summary>The sizes of the rows, for each dimension.</summary>
    public long[] SizesIn(StateTensor tensor) => tensor.Shape.Count == 0 ? [] : [Count, .. tensor.Shape.Skip(1)];
}
