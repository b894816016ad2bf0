using System.Runtime.InteropServices;
using Cairn.Ranks;
using Cairn.State;

namespace Cairn.Mpi.Tests;

public sealed unsafe class PieceSumTests
{
    // More than one block, and a rest.
    private const int Elements = 2500;

    [Theory]
    [InlineData(TensorType.F32, Reduction.Sum)]
    [InlineData(TensorType.F64, Reduction.Average)]
    [InlineData(TensorType.F16, Reduction.Sum)]
    [InlineData(TensorType.F16, Reduction.Average)]
    [InlineData(TensorType.BF16, Reduction.Sum)]
    [InlineData(TensorType.BF16, Reduction.Average)]
    public void Parts_are_added_in_the_order_of_ranks_also_into_one_of_them(TensorType type, Reduction reduction)
    {
        int size = (int)type.ByteLength([1]);
        double[][] values = [.. Enumerable.Range(0, 3).Select(rank => Enumerable.Range(0, Elements).Select(i => Math.Sin(i * (rank + 1.5)) * (1 << (i % 9))).ToArray())];
        byte[][] parts = [.. values.Select(rank => rank.SelectMany(value => Bytes(type, value)).ToArray())];
        double[] expected = [.. Enumerable.Range(0, Elements).Select(i => Expected(type, reduction, [.. parts.Select(part => Value(type, part.AsSpan(i * size)))]))];

        fixed (byte* first = parts[0], second = parts[1], third = parts[2])
            PieceSum.Of([(nint)first, (nint)second, (nint)third], (nint)second, Elements, type, reduction);

        for (int i = 0; i < Elements; i++)
            Value(type, parts[1].AsSpan(i * size)).ShouldBe(expected[i], $"element {i}");
    }

    [Fact]
    public void A_sum_that_is_no_number_stays_none_in_half_precision()
    {
        ushort[] one = [0x7F80, 0x7FC1, 0x3F80], other = [0xFF80, 0x3F80, 0x3F80];
        fixed (ushort* first = one, second = other)
            PieceSum.Of([(nint)first, (nint)second], (nint)first, one.Length, TensorType.BF16, Reduction.Sum);
        one.Select(bits => BitConverter.UInt32BitsToSingle((uint)bits << 16)).ShouldBe([float.NaN, float.NaN, 2f]);
    }

    // 16-bit types are added in single precision and rounded once.
    private static double Expected(TensorType type, Reduction reduction, double[] values)
    {
        if (type == TensorType.F64)
            return reduction == Reduction.Average ? values.Aggregate((sum, value) => sum + value) / values.Length : values.Aggregate((sum, value) => sum + value);
        float sum = values.Select(value => (float)value).Aggregate((sum, value) => sum + value);
        return Value(type, [.. Bytes(type, reduction == Reduction.Average ? sum / values.Length : sum)]);
    }

    private static byte[] Bytes(TensorType type, double value) => type switch
    {
        TensorType.F64 => BitConverter.GetBytes(value),
        TensorType.F32 => BitConverter.GetBytes((float)value),
        TensorType.F16 => BitConverter.GetBytes((Half)(float)value),
        _ => BitConverter.GetBytes(Brain((float)value)),
    };

    // Of the two neighbours the nearer one, and of equally near ones the even one.
    private static ushort Brain(float value)
    {
        ushort low = (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16), high = (ushort)(low + 1);
        double below = Math.Abs(Single(low) - value), above = Math.Abs(Single(high) - value);
        return below < above || (below == above && low % 2 == 0) ? low : high;
    }

    private static double Value(TensorType type, ReadOnlySpan<byte> bytes) => type switch
    {
        TensorType.F64 => MemoryMarshal.Read<double>(bytes),
        TensorType.F32 => MemoryMarshal.Read<float>(bytes),
        TensorType.F16 => (double)MemoryMarshal.Read<Half>(bytes),
        _ => Single(MemoryMarshal.Read<ushort>(bytes)),
    };

    private static float Single(ushort brain) => BitConverter.UInt32BitsToSingle((uint)brain << 16);
}
