namespace Cairn.State;

/// <summary>
/// Which elements of a global tensor a shard holds: a box of it, as tensor parallelism cuts, or a flat range of a box's elements in
/// row-major order, as ZeRO and FSDP cut what one rank of theirs would hold alone. The shard's own bytes lie densely in that order.
/// </summary>
public sealed class ShardExtent : IEquatable<ShardExtent>
{
    private readonly long[] _globalShape;

    private ShardExtent(ReadOnlySpan<long> globalShape, TensorBox box, long start, long count, bool isFlat)
    {
        _globalShape = globalShape.ToArray();
        (Box, Start, Count, IsFlat) = (box, start, count, isFlat);
        LocalShape = isFlat ? [count] : box.Shape;
    }

    /// <summary>All of a tensor.</summary>
    public static ShardExtent Whole(ReadOnlySpan<long> globalShape) => OfBox(globalShape, new long[globalShape.Length], globalShape);

    /// <summary>A box.</summary>
    /// <param name="globalShape">Shape of the global tensor.</param>
    /// <param name="offset">First index in each dimension.</param>
    /// <param name="shape">Size in each dimension.</param>
    /// <exception cref="ArgumentException">The box does not lie in the tensor.</exception>
    public static ShardExtent OfBox(ReadOnlySpan<long> globalShape, ReadOnlySpan<long> offset, ReadOnlySpan<long> shape)
    {
        var box = new TensorBox(offset, shape);
        if (box.Rank != globalShape.Length)
            throw new ArgumentException($"A box of {box.Rank} dimensions does not lie in a tensor of {globalShape.Length}.", nameof(offset));
        for (int i = 0; i < globalShape.Length; i++)
        {
            if (offset[i] + shape[i] > globalShape[i])
                throw new ArgumentException($"The box {box} reaches out of a tensor of shape [{string.Join(", ", globalShape.ToArray())}].", nameof(shape));
        }
        return new ShardExtent(globalShape, box, 0, box.Count, isFlat: false);
    }

    /// <summary>The part with this index of a tensor that is cut evenly along one dimension, as tensor parallelism does.</summary>
    /// <exception cref="ArgumentException">The dimension cannot be cut into that many equal parts.</exception>
    public static ShardExtent Cut(ReadOnlySpan<long> globalShape, int dimension, int index, int parts)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(dimension);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(dimension, globalShape.Length);
        ArgumentOutOfRangeException.ThrowIfLessThan(parts, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, parts);
        if (globalShape[dimension] % parts != 0)
            throw new ArgumentException($"Dimension {dimension} of size {globalShape[dimension]} cannot be cut into {parts} equal parts.", nameof(parts));
        long[] offset = new long[globalShape.Length], shape = globalShape.ToArray();
        shape[dimension] /= parts;
        offset[dimension] = shape[dimension] * index;
        return OfBox(globalShape, offset, shape);
    }

    /// <summary>A range of this box's elements in row-major order.</summary>
    /// <exception cref="InvalidOperationException">This is a flat range already.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The range does not lie in the box.</exception>
    public ShardExtent Flat(long start, long count)
    {
        if (IsFlat)
            throw new InvalidOperationException("A flat range is cut from a box, not from another flat range.");
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, Box.Count - count);
        return new ShardExtent(_globalShape, Box, start, count, isFlat: true);
    }

    /// <summary>Shape of the global tensor.</summary>
    public IReadOnlyList<long> GlobalShape => _globalShape;
    /// <summary>The box; for a flat range, the one from which it is cut.</summary>
    public TensorBox Box { get; }
    /// <summary>Whether it is a flat range of the box.</summary>
    public bool IsFlat { get; }
    /// <summary>First element of the flat range in the box; 0 for a box.</summary>
    public long Start { get; }
    /// <summary>Number of elements.</summary>
    public long Count { get; }
    /// <summary>Shape of the shard: the box's, or one dimension for a flat range.</summary>
    public IReadOnlyList<long> LocalShape { get; }
    /// <summary>Whether it is the tensor itself, in its own shape.</summary>
    public bool IsWhole => !IsFlat && Box.ShapeSpan.SequenceEqual(_globalShape);

    /// <summary>The elements as boxes that follow one another in the order of the shard's bytes.</summary>
    internal IEnumerable<TensorBox> Boxes() => Box.Range(Start, Count);

    /// <inheritdoc/>
    public bool Equals(ShardExtent? other) =>
        other is not null && IsFlat == other.IsFlat && Start == other.Start && Count == other.Count
        && Box.IsSame(other.Box) && _globalShape.AsSpan().SequenceEqual(other._globalShape);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as ShardExtent);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (long offset in Box.Offset)
            hash.Add(offset);
        hash.Add(Start);
        hash.Add(Count);
        return hash.ToHashCode();
    }

    /// <summary>The extent as people write it, for example <c>[0:4, 8:16] of [8, 16]</c>.</summary>
    public override string ToString() =>
        $"{(IsFlat ? $"elements {Start} to {Start + Count} of " : "")}{Box} of [{string.Join(", ", _globalShape)}]";
}
