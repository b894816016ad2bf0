namespace Cairn.State;

/// <summary>
/// A box of a dense tensor, its dimensions in any order: what <c>narrow</c>, <c>permute</c> and <c>transpose</c> do. It shows its
/// elements dense and row-major, and reads from its source only the bytes that it is asked for.
/// </summary>
public sealed class StridedTensor : StateTensor
{
    // A destination is filled in pieces of this size, so that what is read at once stays bounded.
    private const int Piece = 1 << 20;

    private readonly StateTensor _source;
    private readonly long[] _sizes, _strides; // outer dimensions, in runs and bytes
    private readonly long _offset, _run;      // bytes

    /// <summary>A view.</summary>
    /// <param name="source">What it looks into.</param>
    /// <param name="offset">Elements of the source before its first one.</param>
    /// <param name="shape">Its sizes.</param>
    /// <param name="strides">Elements of the source from one to the next, for each dimension; not negative.</param>
    /// <exception cref="ArgumentException">It looks past the source's end, or its elements are no whole bytes.</exception>
    public StridedTensor(StateTensor source, long offset, ReadOnlySpan<long> shape, ReadOnlySpan<long> strides) : base(source.Type, shape)
    {
        int bits = source.Type.BitsPerElement();
        if (bits % 8 != 0 || strides.Length != shape.Length || offset < 0)
            throw new ArgumentException($"{source} cannot be looked into with {strides.Length} strides for {shape.Length} sizes; elements of whole bytes and a stride for each size are needed.", nameof(strides));
        long last = offset, element = bits / 8;
        for (int i = 0; i < shape.Length; i++)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(strides[i], nameof(strides));
            last = checked(last + Math.Max(0, shape[i] - 1) * strides[i]);
        }
        if (ByteLength > 0 && last >= source.ByteLength / element)
            throw new ArgumentException($"A view {this} at element {offset} looks past the end of {source}.", nameof(shape));
        // The innermost dimensions that lie as a dense tensor would are one run of bytes.
        int outer = shape.Length;
        long run = 1;
        while (outer > 0 && (strides[outer - 1] == run || shape[outer - 1] == 1))
            run *= shape[--outer];
        _source = source;
        _offset = offset * element;
        _run = run * element;
        _sizes = shape[..outer].ToArray();
        _strides = [.. strides[..outer].ToArray().Select(stride => stride * element)];
    }

    /// <summary>The part of a tensor from <paramref name="start"/> on along one dimension.</summary>
    /// <exception cref="ArgumentException">There is no such dimension or part.</exception>
    public static StateTensor Narrow(StateTensor source, int dimension, long start, long length)
    {
        if (dimension < 0 || dimension >= source.Shape.Count || start < 0 || length < 0 || start > source.Shape[dimension] - length)
            throw new ArgumentException($"{source} has no {length} elements from {start} on along dimension {dimension}.", nameof(dimension));
        long[] shape = [.. source.Shape], strides = RowMajor(shape);
        long offset = start * strides[dimension];
        shape[dimension] = length;
        return length == 0 ? new MemoryTensor(source.Type, shape, default) : new StridedTensor(source, offset, shape, strides);
    }

    /// <summary>A tensor with two dimensions swapped.</summary>
    /// <exception cref="ArgumentException">There is no such dimension.</exception>
    public static StateTensor Transpose(StateTensor source, int first, int second)
    {
        long[] shape = [.. source.Shape], strides = RowMajor(shape);
        if (Math.Min(first, second) < 0 || Math.Max(first, second) >= shape.Length)
            throw new ArgumentException($"{source} has no dimensions {first} and {second}.", nameof(first));
        (shape[first], shape[second]) = (shape[second], shape[first]);
        (strides[first], strides[second]) = (strides[second], strides[first]);
        return new StridedTensor(source, 0, shape, strides);
    }

    /// <inheritdoc/>
    public override void CopyTo(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        while (!destination.IsEmpty)
        {
            (long run, long within) = Math.DivRem(offset, _run);
            int done;
            if (within > 0 || destination.Length < _run)
            {
                done = (int)Math.Min(_run - within, destination.Length);
                _source.CopyTo(StartOf(run) + within, destination[..done]);
            }
            else
            {
                int runs = (int)Math.Max(1, Math.Min(destination.Length, Piece) / _run);
                done = (int)(runs * _run);
                ByteRuns.Gather(_source, runs, (int)_run, i => StartOf(run + i), destination[..done]);
            }
            offset += done;
            destination = destination[done..];
        }
    }

    /// <inheritdoc/>
    public override bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        CheckRange(offset, length);
        bytes = default;
        if (length == 0)
            return _source.TryGetSpan(0, 0, out bytes);
        (long run, long within) = Math.DivRem(offset, _run);
        return within + length <= _run && _source.TryGetSpan(StartOf(run) + within, length, out bytes);
    }

    /// <summary>The strides of a dense row-major tensor, in elements.</summary>
    internal static long[] RowMajor(ReadOnlySpan<long> shape)
    {
        long[] strides = new long[shape.Length];
        long step = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            strides[i] = step;
            step *= shape[i];
        }
        return strides;
    }

    private long StartOf(long run)
    {
        long start = _offset;
        for (int i = _sizes.Length - 1; i >= 0; i--)
        {
            (run, long index) = Math.DivRem(run, _sizes[i]);
            start += index * _strides[i];
        }
        return start;
    }

    private void CheckRange(long offset, int length)
    {
        if (offset < 0 || offset > ByteLength - length)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{length} bytes at {offset} do not lie within the {ByteLength} bytes of {this}.");
    }
}
