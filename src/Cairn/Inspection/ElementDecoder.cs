using System.Numerics;
using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Inspection;

/// <summary>
/// Reads elements of every type as doubles. Each value is exact but 64-bit integers above 2^53, which are rounded. A complex element gives two
/// values: its real and its imaginary part.
/// </summary>
/// <remarks>
/// 8-bit floats: <see href="https://arxiv.org/abs/2209.05433">E4M3 and E5M2</see>, the FNUZ types as in ONNX, E8M0 and the 4- and 6-bit ones as in the
/// OCP microscaling specification 1.0. Elements of less than a byte begin at its lowest bits.
/// </remarks>
internal static class ElementDecoder
{
    private static readonly double[]?[] Tables = new double[]?[Enum.GetValues<TensorType>().Length];

    /// <summary>Values in one element: 2 for a complex one.</summary>
    public static int ValuesPerElement(TensorType type) => type is TensorType.C32 or TensorType.C64 or TensorType.C128 ? 2 : 1;

    /// <summary>Values in this many bytes.</summary>
    public static long ValueCount(TensorType type, long bytes) => bytes * 8 / type.BitsPerElement() * ValuesPerElement(type);

    /// <summary>Bytes that hold as many whole values as possible, and at most <paramref name="values"/>.</summary>
    public static int BytesOf(TensorType type, int values) => values / ValuesPerElement(type) * type.BitsPerElement() / 8;

    /// <summary>Decodes whole elements.</summary>
    /// <param name="type">Their type.</param>
    /// <param name="bytes">Their bytes.</param>
    /// <param name="values">Room for all values.</param>
    /// <param name="singles">Room for as many values.</param>
    /// <returns>The values: <paramref name="values"/>, or the bytes themselves where they are doubles.</returns>
    public static ReadOnlySpan<double> Decode(TensorType type, ReadOnlySpan<byte> bytes, Span<double> values, Span<float> singles)
    {
        values = values[..(int)ValueCount(type, bytes.Length)];
        switch (type)
        {
            case TensorType.F64 or TensorType.C128:
                return MemoryMarshal.Cast<byte, double>(bytes);
            case TensorType.F32 or TensorType.C64:
                FloatCast.Convert(TensorType.F32, bytes, TensorType.F64, MemoryMarshal.AsBytes(values), default);
                break;
            case TensorType.BF16 or TensorType.F16 or TensorType.C32:
                FloatCast.Convert(type == TensorType.BF16 ? type : TensorType.F16, bytes, TensorType.F32, MemoryMarshal.AsBytes(singles[..values.Length]), default);
                FloatCast.Convert(TensorType.F32, MemoryMarshal.AsBytes(singles[..values.Length]), TensorType.F64, MemoryMarshal.AsBytes(values), default);
                break;
            case TensorType.I16: Widen<short>(bytes, values); break;
            case TensorType.U16: Widen<ushort>(bytes, values); break;
            case TensorType.I32: Widen<int>(bytes, values); break;
            case TensorType.U32: Widen<uint>(bytes, values); break;
            case TensorType.I64: Widen<long>(bytes, values); break;
            case TensorType.U64: Widen<ulong>(bytes, values); break;
            case TensorType.F4:
                double[] fours = TableOf(type);
                for (int i = 0; i < values.Length; i++)
                    values[i] = fours[(bytes[i >> 1] >> ((i & 1) * 4)) & 0xF];
                break;
            case TensorType.F6E2M3 or TensorType.F6E3M2:
                double[] sixes = TableOf(type);
                for (int i = 0; i < values.Length; i++)
                {
                    int bit = i * 6, low = bytes[bit >> 3], high = (bit & 7) > 2 ? bytes[(bit >> 3) + 1] : 0;
                    values[i] = sixes[((high << 8 | low) >> (bit & 7)) & 0x3F];
                }
                break;
            default:
                double[] table = TableOf(type);
                for (int i = 0; i < values.Length; i++)
                    values[i] = table[bytes[i]];
                break;
        }
        return values;
    }

    /// <summary>What each bit pattern of a type of at most 8 bits stands for.</summary>
    public static double[] TableOf(TensorType type) => Tables[(int)type] ??= [.. Enumerable.Range(0, 1 << type.BitsPerElement()).Select(bits => Small(type, (byte)bits))];

    private static double Small(TensorType type, byte bits) => type switch
    {
        TensorType.Bool => bits == 0 ? 0 : 1,
        TensorType.U8 => bits,
        TensorType.I8 => (sbyte)bits,
        TensorType.F8E5M2 => (double)BitConverter.UInt16BitsToHalf((ushort)(bits << 8)),
        TensorType.F8E4M3 => (bits & 0x7F) == 0x7F ? double.NaN : Float(bits, 4, 3, 7),
        TensorType.F8E4M3Fnuz => bits == 0x80 ? double.NaN : Float(bits, 4, 3, 8),
        TensorType.F8E5M2Fnuz => bits == 0x80 ? double.NaN : Float(bits, 5, 2, 16),
        TensorType.F8E8M0 => bits == 0xFF ? double.NaN : Math.ScaleB(1, bits - 127),
        TensorType.F6E2M3 => Float(bits, 2, 3, 1),
        TensorType.F6E3M2 => Float(bits, 3, 2, 3),
        TensorType.F4 => Float(bits, 2, 1, 1),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a type of at most 8 bits."),
    };

    private static double Float(int bits, int exponentBits, int mantissaBits, int bias)
    {
        int mantissa = bits & ((1 << mantissaBits) - 1), exponent = (bits >> mantissaBits) & ((1 << exponentBits) - 1);
        double size = exponent == 0
            ? Math.ScaleB(mantissa, 1 - bias - mantissaBits)
            : Math.ScaleB((1 << mantissaBits) + mantissa, exponent - bias - mantissaBits);
        return (bits >> (mantissaBits + exponentBits) & 1) == 0 ? size : -size;
    }

    private static void Widen<T>(ReadOnlySpan<byte> bytes, Span<double> values) where T : unmanaged, IBinaryInteger<T>
    {
        ReadOnlySpan<T> integers = MemoryMarshal.Cast<byte, T>(bytes);
        for (int i = 0; i < integers.Length; i++)
            values[i] = double.CreateTruncating(integers[i]);
    }
}
