using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>Tensors one behind the other as one of a single dimension: what <c>torch._utils._flatten_dense_tensors</c> makes, without the copy.</summary>
internal sealed class FlattenedTensor : StateTensor
{
    private readonly StateTensor[] _tensors;
    private readonly long[] _starts;

    /// <exception cref="ArgumentException">There is none, or their types differ.</exception>
    public FlattenedTensor(IReadOnlyList<StateTensor> tensors) : base(TypeOf(tensors), [tensors.Sum(Elements)])
    {
        _tensors = [.. tensors];
        _starts = new long[_tensors.Length];
        for (int i = 1; i < _starts.Length; i++)
            _starts[i] = _starts[i - 1] + _tensors[i - 1].ByteLength;
    }

    public static long Elements(StateTensor tensor) => tensor.Shape.Aggregate(1L, (product, size) => checked(product * size));

    public override void CopyTo(long offset, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, ByteLength - destination.Length);
        for (int i = At(offset); !destination.IsEmpty; i++)
        {
            long within = offset - _starts[i];
            int length = (int)Math.Min(_tensors[i].ByteLength - within, destination.Length);
            if (length > 0)
                _tensors[i].CopyTo(within, destination[..length]);
            offset += length;
            destination = destination[length..];
        }
    }

    public override bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        int i = At(offset);
        bytes = default;
        return offset - _starts[i] + length <= _tensors[i].ByteLength && _tensors[i].TryGetSpan(offset - _starts[i], length, out bytes);
    }

    // Of several tensors that begin at one byte all but the last are empty.
    private int At(long offset)
    {
        int i = Array.BinarySearch(_starts, offset);
        if (i < 0)
            return ~i - 1;
        while (i + 1 < _starts.Length && _starts[i + 1] == offset)
            i++;
        return i;
    }

    private static TensorType TypeOf(IReadOnlyList<StateTensor> tensors)
    {
        if (tensors.Count == 0 || tensors.Any(tensor => tensor.Type != tensors[0].Type))
            throw new ArgumentException("Only tensors of one type can be flattened into one.", nameof(tensors));
        return tensors[0].Type;
    }
}
