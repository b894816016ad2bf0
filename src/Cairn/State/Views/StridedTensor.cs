namespace Cairn.State;

/// <summary>
/// A view whose elements do not lie one after the other in its source: a transposed matrix, every second column, one element shown often. It
/// shows them dense and row-major, and reads only the bytes that it is asked for, and small gaps between them.
/// </summary>
internal sealed class StridedTensor : StateTensor
{
    private readonly StridedCopy _copy;

    /// <summary>A view that lies within its source.</summary>
    /// <param name="source">What it looks into; its own type does not matter.</param>
    /// <param name="start">Bytes of the source before the first element.</param>
    /// <param name="type">Element type of the view, of whole bytes.</param>
    /// <param name="shape">Its sizes.</param>
    /// <param name="strides">Elements from one to the next, for each dimension; not negative.</param>
    public StridedTensor(StateTensor source, long start, TensorType type, long[] shape, long[] strides) : base(type, shape)
    {
        int element = JoinedTensor.SizeOf(type);
        _copy = new StridedCopy(source, start, shape, [.. strides.Select(stride => stride * element)], element);
    }

    /// <summary>A tensor with two dimensions swapped.</summary>
    /// <exception cref="ArgumentException">There is no such dimension, or the elements do not fill whole bytes.</exception>
    public static StridedTensor Transpose(StateTensor source, int first, int second)
    {
        long[] shape = [.. source.Shape], strides = new long[shape.Length];
        if (Math.Min(first, second) < 0 || Math.Max(first, second) >= shape.Length)
            throw new ArgumentException($"A tensor of shape [{string.Join(", ", shape)}] has no dimensions {first} and {second}.", nameof(first));
        long step = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            strides[i] = step;
            step *= shape[i];
        }
        (shape[first], shape[second]) = (shape[second], shape[first]);
        (strides[first], strides[second]) = (strides[second], strides[first]);
        return new StridedTensor(source, 0, source.Type, shape, strides);
    }

    public override void CopyTo(long offset, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, ByteLength - destination.Length);
        _copy.CopyTo(offset, destination);
    }
}
