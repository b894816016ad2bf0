using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Cairn.State;

/// <summary>
/// Conversions between the four float types of training: F64, F32, F16 and BF16. Each rounds once, to nearest, ties to even; what
/// is too large becomes infinity, subnormal numbers are kept, and NaN stays NaN.
/// </summary>
/// <remarks>By hand is what System.Numerics.Tensors has not: BF16, for which .NET 10 has no type, and the rounding to odd.</remarks>
internal static class FloatCast
{
    /// <summary>Whether a tensor of this type can be cast.</summary>
    public static bool CanCast(TensorType type) => type is TensorType.F64 or TensorType.F32 or TensorType.F16 or TensorType.BF16;

    /// <summary>Converts whole elements; <paramref name="source"/> and <paramref name="destination"/> hold equally many.</summary>
    /// <param name="from">Type of the source.</param>
    /// <param name="source">The elements' bytes.</param>
    /// <param name="to">Type of the destination; not that of the source, unless it has 16 bits.</param>
    /// <param name="destination">Takes the converted elements.</param>
    /// <param name="scratch">Room for as many singles, for a conversion between two 16-bit types.</param>
    /// <exception cref="ArgumentException">A type is none of the four.</exception>
    public static void Convert(TensorType from, ReadOnlySpan<byte> source, TensorType to, Span<byte> destination, Span<float> scratch)
    {
        switch (from, to)
        {
            case (TensorType.F32, TensorType.F64): TensorPrimitives.ConvertTruncating(As<float>(source), As<double>(destination)); break;
            case (TensorType.F32, TensorType.F16): TensorPrimitives.ConvertToHalf(As<float>(source), As<Half>(destination)); break;
            case (TensorType.F32, TensorType.BF16): ToBrain(As<uint>(source), As<ushort>(destination)); break;
            case (TensorType.F64, TensorType.F32): TensorPrimitives.ConvertTruncating(As<double>(source), As<float>(destination)); break;
            case (TensorType.F16, TensorType.F32): TensorPrimitives.ConvertToSingle(As<Half>(source), As<float>(destination)); break;
            case (TensorType.BF16, TensorType.F32): FromBrain(As<ushort>(source), As<uint>(destination)); break;
            case (TensorType.F64, TensorType.F16 or TensorType.BF16):
                ReadOnlySpan<double> doubles = As<double>(source);
                Span<float> odd = scratch[..doubles.Length];
                DoublesToOddSingles(doubles, odd);
                Convert(TensorType.F32, MemoryMarshal.AsBytes(odd), to, destination, default);
                break;
            case (TensorType.F16 or TensorType.BF16, TensorType.F64 or TensorType.F16 or TensorType.BF16):
                Span<float> singles = scratch[..(source.Length / 2)];
                Convert(from, source, TensorType.F32, MemoryMarshal.AsBytes(singles), default);
                Convert(TensorType.F32, MemoryMarshal.AsBytes(singles), to, destination, default);
                break;
            default: throw new ArgumentException($"{from} cannot be cast to {to}; F64, F32, F16 and BF16 can.", nameof(from));
        }
    }

    private static void ToBrain(ReadOnlySpan<uint> source, Span<ushort> destination)
    {
        int i = 0, step = Vector<uint>.Count;
        for (; i <= source.Length - 2 * step; i += 2 * step)
            Vector.Narrow(ToBrain(new Vector<uint>(source[i..])), ToBrain(new Vector<uint>(source[(i + step)..]))).CopyTo(destination[i..]);
        for (; i < source.Length; i++)
            destination[i] = (ushort)ToBrain(new Vector<uint>(source[i]))[0];
    }

    private static Vector<uint> ToBrain(Vector<uint> bits)
    {
        Vector<uint> rounded = bits + new Vector<uint>(0x7FFF) + (Vector.ShiftRightLogical(bits, 16) & Vector<uint>.One);
        Vector<uint> nan = Vector.GreaterThan(bits & new Vector<uint>(0x7FFFFFFF), new Vector<uint>(0x7F800000));
        // The quiet bit keeps a NaN whose payload lies in the lower half from becoming infinity.
        return Vector.ShiftRightLogical(Vector.ConditionalSelect(nan, bits | new Vector<uint>(0x00400000), rounded), 16);
    }

    private static void FromBrain(ReadOnlySpan<ushort> source, Span<uint> destination)
    {
        int i = 0, step = Vector<ushort>.Count;
        for (; i <= source.Length - step; i += step)
        {
            Vector.Widen(new Vector<ushort>(source[i..]), out Vector<uint> low, out Vector<uint> high);
            Vector.ShiftLeft(low, 16).CopyTo(destination[i..]);
            Vector.ShiftLeft(high, 16).CopyTo(destination[(i + step / 2)..]);
        }
        for (; i < source.Length; i++)
            destination[i] = (uint)source[i] << 16;
    }

    // Rounded to odd (Boldo and Melquiond, 2008): the last bit remembers that something was cut off, so that the second
    // rounding, to 16 bits, gives what a single one would have.
    private static void DoublesToOddSingles(ReadOnlySpan<double> source, Span<float> destination)
    {
        for (int i = 0; i < source.Length; i++)
        {
            float single = (float)source[i];
            if (single != source[i] && !double.IsNaN(source[i]) && !float.IsInfinity(single))
            {
                if (Math.Abs((double)single) > Math.Abs(source[i]))
                    single = BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(single) - 1);
                single = BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(single) | 1);
            }
            destination[i] = single;
        }
    }

    private static ReadOnlySpan<T> As<T>(ReadOnlySpan<byte> bytes) where T : struct => MemoryMarshal.Cast<byte, T>(bytes);
    private static Span<T> As<T>(Span<byte> bytes) where T : struct => MemoryMarshal.Cast<byte, T>(bytes);
}
