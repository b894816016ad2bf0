namespace Cairn.State;

/// <summary>A tensor with two dimensions swapped, row-major again. It reads from its source only the bytes that it is asked for, and small gaps between them.</summary>
internal sealed class TransposedTensor : StateTensor
{
    // A destination is filled in pieces of this size, so that what is read at once stays bounded.
    private const int Piece = 1 << 20;

    private readonly StateTensor _source;
    private readonly long[] _sizes, _strides; // outer dimensions: how many, and bytes of the source from one to the next
    private readonly long _run;               // bytes that lie together in both

    /// <summary>A view of <paramref name="source"/>.</summary>
    /// <exception cref="ArgumentException">There is no such dimension, or the elements do not fill whole bytes.</exception>
    public TransposedTensor(StateTensor source, int first, int second) : base(source.Type, Swapped([.. source.Shape], first, second))
    {
        int element = JoinedTensor.SizeOf(source.Type);
        long[] strides = new long[Shape.Count];
        long step = element;
        for (int i = strides.Length - 1; i >= 0; i--)
        {
            strides[i] = step;
            step *= source.Shape[i];
        }
        (strides[first], strides[second]) = (strides[second], strides[first]);
        int outer = Math.Max(first, second) + 1;
        _source = source;
        _run = element;
        for (int i = outer; i < strides.Length; i++)
            _run *= Shape[i];
        _sizes = [.. Shape.Take(outer)];
        _strides = strides[..outer];
    }

    public override void CopyTo(long offset, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, ByteLength - destination.Length);
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

    private long StartOf(long run)
    {
        long start = 0;
        for (int i = _sizes.Length - 1; i >= 0; i--)
        {
            (run, long index) = Math.DivRem(run, _sizes[i]);
            start += index * _strides[i];
        }
        return start;
    }

    private static long[] Swapped(long[] shape, int first, int second)
    {
        if (Math.Min(first, second) < 0 || Math.Max(first, second) >= shape.Length)
            throw new ArgumentException($"A tensor of shape [{string.Join(", ", shape)}] has no dimensions {first} and {second}.", nameof(first));
        (shape[first], shape[second]) = (shape[second], shape[first]);
        return shape;
    }
}
