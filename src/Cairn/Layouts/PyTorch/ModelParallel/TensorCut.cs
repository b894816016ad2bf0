using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Layouts.PyTorch.ModelParallel;

/// <summary>How tensor-parallel ranks share a tensor.</summary>
/// <param name="Dimension">The dimension along which each has a piece; <see langword="null"/> when each has the whole.</param>
/// <param name="Parts">How many tensors stand one behind the other in each piece, each of which was cut by itself: 2 for the gate and the values of SwiGLU.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct TensorCut(int? Dimension, int Parts)
{
    /// <summary>Each rank has the whole.</summary>
    public static TensorCut Whole => new(null, 1);

    /// <summary>Each rank has a piece along a dimension.</summary>
    public static TensorCut Along(int dimension, int parts = 1) => new(dimension, parts);

    /// <summary>The whole tensor of the ranks' pieces. Nothing is read.</summary>
    /// <exception cref="ArgumentException">The pieces do not fit each other.</exception>
    public StateTensor Join(IReadOnlyList<StateTensor> pieces)
    {
        if (Dimension is not { } dimension)
        {
            StateTensor first = pieces[0];
            return pieces.FirstOrDefault(piece => piece.Type != first.Type || !piece.Shape.SequenceEqual(first.Shape)) is { } other
                ? throw new ArgumentException($"each rank has the whole of it, and one has {first} and another {other}", nameof(pieces)) : first;
        }
        if (pieces.Count == 1)
            return pieces[0];
        int parts = Parts;
        if (parts == 1)
            return TensorOperations.Concat(pieces, dimension);
        if (pieces.FirstOrDefault(piece => dimension >= piece.Shape.Count || piece.Shape[dimension] % parts != 0) is { } odd)
            throw new ArgumentException($"{odd} does not hold {parts} tensors of one size", nameof(pieces));
        return TensorOperations.Concat([.. Enumerable.Range(0, parts).SelectMany(part => pieces.Select(piece => piece.Narrow(dimension, part * (piece.Shape[dimension] / parts), piece.Shape[dimension] / parts)))], dimension);
    }
}
