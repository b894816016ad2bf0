using System.Buffers;

namespace Cairn.State;

/// <summary>A tensor seen in another float type. It is converted while it is read, a piece at a time; see <see cref="FloatCast"/> for the rounding.</summary>
internal sealed class CastTensor : StateTensor
{
    private const int PieceElements = 64 * 1024;

    private readonly StateTensor _source;
    private readonly int _from, _to;

    private CastTensor(StateTensor source, TensorType type) : base(type, [.. source.Shape])
    {
        _source = source;
        _from = source.Type.BitsPerElement() / 8;
        _to = type.BitsPerElement() / 8;
    }

    /// <summary>The tensor in this type; itself when it has it already.</summary>
    /// <exception cref="ArgumentException">One of the types is none of F64, F32, F16 and BF16.</exception>
    public static StateTensor Of(StateTensor source, TensorType type)
    {
        if (source.Type == type)
            return source;
        return FloatCast.CanCast(source.Type) && FloatCast.CanCast(type)
            ? new CastTensor(source, type)
            : throw new ArgumentException($"{source} cannot be cast to {type}; F64, F32, F16 and BF16 can.", nameof(type));
    }

    /// <inheritdoc/>
    public override void CopyTo(long offset, Span<byte> destination)
    {
        if (offset < 0 || offset > ByteLength - destination.Length)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{destination.Length} bytes at {offset} do not lie within the {ByteLength} bytes of {this}.");
        byte[] read = ArrayPool<byte>.Shared.Rent(PieceElements * sizeof(double));
        float[] scratch = ArrayPool<float>.Shared.Rent(PieceElements);
        Span<byte> whole = stackalloc byte[sizeof(double)];
        try
        {
            while (!destination.IsEmpty)
            {
                (long element, long within) = Math.DivRem(offset, _to);
                int done;
                if (within > 0 || destination.Length < _to)
                {
                    Convert(element, whole[.._to], read, scratch);
                    done = (int)Math.Min(_to - within, destination.Length);
                    whole.Slice((int)within, done).CopyTo(destination);
                }
                else
                {
                    done = Math.Min(destination.Length / _to, PieceElements) * _to;
                    Convert(element, destination[..done], read, scratch);
                }
                offset += done;
                destination = destination[done..];
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(read);
            ArrayPool<float>.Shared.Return(scratch);
        }
    }

    private void Convert(long element, Span<byte> destination, byte[] read, float[] scratch)
    {
        int length = destination.Length / _to * _from;
        if (!_source.TryGetSpan(element * _from, length, out ReadOnlySpan<byte> bytes))
        {
            _source.CopyTo(element * _from, read.AsSpan(0, length));
            bytes = read.AsSpan(0, length);
        }
        FloatCast.Convert(_source.Type, bytes, Type, destination, scratch);
    }
}
