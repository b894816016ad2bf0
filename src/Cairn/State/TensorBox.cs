namespace Cairn.State;

/// <summary>A box of a tensor: where it begins and how far it goes in each dimension.</summary>
public sealed class TensorBox
{
    private readonly long[] _offset, _shape;

    /// <summary>A box.</summary>
    /// <param name="offset">First index in each dimension.</param>
    /// <param name="shape">Size in each dimension.</param>
    /// <exception cref="ArgumentException">The two differ in length, there are too many dimensions, or a number is negative.</exception>
    public TensorBox(ReadOnlySpan<long> offset, ReadOnlySpan<long> shape)
    {
        if (offset.Length != shape.Length)
            throw new ArgumentException($"A box needs as many offsets as sizes, not {offset.Length} and {shape.Length}.", nameof(offset));
        // One more than a tensor has: a box in bytes has a dimension for those of an element.
        if (shape.Length > StateTensor.MaxRank + 1)
            throw new ArgumentException($"A box has at most {StateTensor.MaxRank} dimensions, not {shape.Length}.", nameof(shape));
        (_offset, _shape) = (offset.ToArray(), shape.ToArray());
        for (int i = 0; i < _offset.Length; i++)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(_offset[i], nameof(offset));
            ArgumentOutOfRangeException.ThrowIfNegative(_shape[i], nameof(shape));
            _ = checked(_offset[i] + _shape[i]);
        }
        Count = Elements(shape);
    }

    // Takes arrays that are known to be good.
    private TensorBox(long[] offset, long[] shape, long count) => (_offset, _shape, Count) = (offset, shape, count);

    /// <summary>First index in each dimension.</summary>
    public IReadOnlyList<long> Offset => _offset;
    /// <summary>Size in each dimension.</summary>
    public IReadOnlyList<long> Shape => _shape;
    /// <summary>Number of elements.</summary>
    public long Count { get; }
    /// <summary>Number of dimensions.</summary>
    public int Rank => _shape.Length;

    internal ReadOnlySpan<long> OffsetSpan => _offset;
    internal ReadOnlySpan<long> ShapeSpan => _shape;

    /// <summary>The elements that lie in both boxes, or <see langword="null"/> when there are none.</summary>
    internal TensorBox? Intersect(TensorBox other)
    {
        // Most pairs have nothing in common: memory is taken only for those that do.
        for (int i = 0; i < Rank; i++)
        {
            if (Common(other, i) is var (start, end) && end <= start)
                return null;
        }
        long[] offset = new long[Rank], shape = new long[Rank];
        long count = 1;
        for (int i = 0; i < Rank; i++)
        {
            (long start, long end) = Common(other, i);
            (offset[i], shape[i]) = (start, end - start);
            count *= end - start;
        }
        return new TensorBox(offset, shape, count);
    }

    private (long Start, long End) Common(TensorBox other, int dimension) => (
        Math.Max(_offset[dimension], other._offset[dimension]),
        Math.Min(_offset[dimension] + _shape[dimension], other._offset[dimension] + other._shape[dimension]));

    /// <summary>This box without the other: boxes that do not overlap.</summary>
    internal IEnumerable<TensorBox> Without(TensorBox other)
    {
        if (Intersect(other) is not { } hole)
        {
            yield return this;
            yield break;
        }
        long[] offset = [.. _offset], shape = [.. _shape];
        for (int i = 0; i < Rank; i++)
        {
            long before = hole._offset[i] - offset[i], after = offset[i] + shape[i] - hole._offset[i] - hole._shape[i];
            if (before > 0)
                yield return Piece(i, offset[i], before);
            if (after > 0)
                yield return Piece(i, hole._offset[i] + hole._shape[i], after);
            (offset[i], shape[i]) = (hole._offset[i], hole._shape[i]);
        }

        TensorBox Piece(int dimension, long start, long size)
        {
            long[] from = [.. offset], sizes = [.. shape];
            (from[dimension], sizes[dimension]) = (start, size);
            return new TensorBox(from, sizes);
        }
    }

    /// <summary>
    /// A range of the box's elements in row-major order, as boxes that follow one another in that order; each of them is one run of it.
    /// There are at most twice as many as dimensions.
    /// </summary>
    internal IEnumerable<TensorBox> Range(long start, long length)
    {
        if (length == 0)
            yield break;
        if (start == 0 && length == Count)
        {
            yield return this;
            yield break;
        }
        long end = start + length;
        long[] index = new long[Rank];
        while (start < end)
        {
            // The largest whole block of trailing dimensions that begins here and ends in the range.
            long rest = start, block = 1;
            for (int i = Rank - 1; i >= 0; i--)
                (rest, index[i]) = Math.DivRem(rest, _shape[i]);
            int dimension = Rank - 1;
            while (dimension > 0 && index[dimension] == 0 && block * _shape[dimension] <= end - start)
                block *= _shape[dimension--];
            long rows = Math.Min(_shape[dimension] - index[dimension], (end - start) / block);
            long[] offset = [.. _offset], shape = [.. _shape];
            for (int i = 0; i < Rank; i++)
            {
                offset[i] += index[i];
                if (i <= dimension)
                    shape[i] = i == dimension ? rows : 1;
            }
            yield return new TensorBox(offset, shape);
            start += rows * block;
        }
    }

    /// <summary>Whether both are the same box.</summary>
    internal bool IsSame(TensorBox other) => _offset.AsSpan().SequenceEqual(other._offset) && _shape.AsSpan().SequenceEqual(other._shape);

    /// <summary>The box as people write it, for example <c>[0:4, 8:16]</c>.</summary>
    public override string ToString() => $"[{string.Join(", ", _offset.Zip(_shape, (offset, size) => $"{offset}:{offset + size}"))}]";

    internal static long Elements(ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (long size in shape)
            count = checked(count * size);
        return count;
    }
}
