using System.Numerics;
using System.Runtime.InteropServices;

namespace Cairn.State;

/// <summary>Looks for NaN and infinity: a float is one of them when all bits of its exponent are set (IEEE 754-2019, 3.4). By hand, because most of these types are none of .NET.</summary>
internal static class NonFinite
{
    /// <summary>Whether a block of whole elements holds NaN or infinity. Types that have neither never do.</summary>
    public static bool IsIn(ReadOnlySpan<byte> bytes, TensorType type) => type switch
    {
        TensorType.F64 or TensorType.C128 => Any<ulong>(bytes, 0x7FF0_0000_0000_0000),
        TensorType.F32 or TensorType.C64 => Any<uint>(bytes, 0x7F80_0000),
        TensorType.BF16 => Any<ushort>(bytes, 0x7F80),
        TensorType.F16 or TensorType.C32 => Any<ushort>(bytes, 0x7C00),
        TensorType.F8E5M2 => Any<byte>(bytes, 0x7C),
        // These have one NaN and no infinity (OCP 8-bit floating point specification; the FNUZ types keep it at minus zero).
        TensorType.F8E4M3 => Any<byte>(bytes, 0x7F),
        TensorType.F8E8M0 => bytes.Contains((byte)0xFF),
        TensorType.F8E4M3Fnuz or TensorType.F8E5M2Fnuz => bytes.Contains((byte)0x80),
        _ => false,
    };

    private static bool Any<T>(ReadOnlySpan<byte> bytes, T exponent) where T : unmanaged, IBinaryInteger<T>
    {
        ReadOnlySpan<T> values = MemoryMarshal.Cast<byte, T>(bytes);
        ReadOnlySpan<Vector<T>> vectors = MemoryMarshal.Cast<T, Vector<T>>(values);
        var mask = new Vector<T>(exponent);
        foreach (Vector<T> vector in vectors)
        {
            if (Vector.EqualsAny(vector & mask, mask))
                return true;
        }
        foreach (T value in values[(vectors.Length * Vector<T>.Count)..])
        {
            if ((value & exponent) == exponent)
                return true;
        }
        return false;
    }
}
