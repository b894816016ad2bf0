using System.Numerics;
using Cairn.State;
using Cairn.Tests.Formats;
using CsCheck;

namespace Cairn.Tests.State;

public class FloatCastTests
{
    // More than a vector and an odd rest, so that both ways of the loops run.
    private const int Length = 37;

    private static TTo[] Cast<TFrom, TTo>(TensorType from, TFrom[] values, TensorType to) where TFrom : unmanaged where TTo : unmanaged
    {
        byte[] bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
        return System.Runtime.InteropServices.MemoryMarshal.Cast<byte, TTo>(CastTensor.Of(new MemoryTensor(from, [values.Length], bytes), to).Bytes()).ToArray();
    }

    private static readonly Gen<float[]> Singles = Gen.UInt.Select(BitConverter.UInt32BitsToSingle).Array[Length];

    // Exponents near those of the 16-bit types, where rounding, subnormals and overflow are.
    private static readonly Gen<double[]> Doubles = Gen.Select(Gen.ULong[0, (1UL << 52) - 1], Gen.Int[-150, 130], Gen.Bool)
        .Select((fraction, exponent, negative) => BitConverter.UInt64BitsToDouble(fraction | ((ulong)(exponent + 1023) << 52)) * (negative ? -1 : 1)).Array[Length];

    [Fact]
    public void Single_to_half_rounds_as_the_runtime_does() => Singles.Sample(values =>
        Cast<float, ushort>(TensorType.F32, values, TensorType.F16).ShouldBe([.. values.Select(v => Bits((Half)v, float.IsNaN(v)))]), iter: 4_000);

    [Fact]
    public void Double_to_half_rounds_once() => Doubles.Sample(values =>
        Cast<double, ushort>(TensorType.F64, values, TensorType.F16).ShouldBe([.. values.Select(v => BitConverter.HalfToUInt16Bits((Half)v))]), iter: 4_000);

    [Fact]
    public void Double_to_brain_float_gives_the_nearest_and_the_even_one_of_two() => Doubles.Sample(values =>
    {
        ushort[] brains = Cast<double, ushort>(TensorType.F64, values, TensorType.BF16);
        for (int i = 0; i < values.Length; i++)
            ShouldBeNearest(brains[i], values[i]);
    }, iter: 1_000);

    [Fact]
    public void Single_to_brain_float_gives_the_nearest_and_the_even_one_of_two() => Singles.Sample(values =>
    {
        ushort[] brains = Cast<float, ushort>(TensorType.F32, values, TensorType.BF16);
        for (int i = 0; i < values.Length; i++)
        {
            if (float.IsNaN(values[i]))
                float.IsNaN(Brain(brains[i])).ShouldBeTrue();
            else if (float.IsFinite(values[i]))
                ShouldBeNearest(brains[i], values[i]);
        }
    }, iter: 1_000);

    [Theory]
    [InlineData(0x3F800000, 0x3F80), InlineData(0x3F808000, 0x3F80), InlineData(0x3F818000, 0x3F82), InlineData(0x3F808001, 0x3F81)]
    [InlineData(0x7F800000, 0x7F80), InlineData(0xFF800000, 0xFF80), InlineData(0x7F7FFFFF, 0x7F80), InlineData(0x80000000, 0x8000)]
    [InlineData(0x7F800001, 0x7FC0), InlineData(0x00000001, 0x0000), InlineData(0x00018000, 0x0002)]
    public void Brain_floats_of_known_singles(uint single, int brain) =>
        Cast<uint, ushort>(TensorType.F32, [single], TensorType.BF16).ShouldBe([(ushort)brain]);

    [Fact]
    public void Every_half_and_every_brain_float_comes_back_through_wider_types()
    {
        ushort[] all = [.. Enumerable.Range(0, 65536).Select(i => (ushort)i)];
        float[] halves = Cast<ushort, float>(TensorType.F16, all, TensorType.F32), brains = Cast<ushort, float>(TensorType.BF16, all, TensorType.F32);
        for (int i = 0; i < all.Length; i++)
        {
            Half half = BitConverter.UInt16BitsToHalf(all[i]);
            BitConverter.SingleToUInt32Bits(brains[i]).ShouldBe((uint)all[i] << 16);
            if (Half.IsNaN(half))
                float.IsNaN(halves[i]).ShouldBeTrue();
            else
                BitConverter.SingleToUInt32Bits(halves[i]).ShouldBe(BitConverter.SingleToUInt32Bits((float)half));
        }
        foreach (TensorType wide in new[] { TensorType.F32, TensorType.F64 })
        {
            foreach (TensorType narrow in new[] { TensorType.F16, TensorType.BF16 })
            {
                StateTensor there = CastTensor.Of(new MemoryTensor(narrow, [all.Length], System.Runtime.InteropServices.MemoryMarshal.AsBytes(all.AsSpan()).ToArray()), wide);
                ushort[] back = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ushort>(CastTensor.Of(there, narrow).Bytes()).ToArray();
                for (int i = 0; i < all.Length; i++)
                {
                    int quiet = narrow == TensorType.F16 ? 0x200 : 0x40;
                    bool nan = narrow == TensorType.F16 ? Half.IsNaN(BitConverter.UInt16BitsToHalf(all[i])) : float.IsNaN(Brain(all[i]));
                    ((ushort)(nan ? back[i] | quiet : back[i])).ShouldBe((ushort)(nan ? all[i] | quiet : all[i]));
                }
            }
        }
    }

    [Fact]
    public void Single_and_double_convert_as_the_runtime_does()
    {
        Singles.Sample(values => Cast<float, double>(TensorType.F32, values, TensorType.F64).ShouldBe([.. values.Select(v => (double)v)]), iter: 2_000);
        Doubles.Sample(values => Cast<double, float>(TensorType.F64, values, TensorType.F32).ShouldBe([.. values.Select(v => (float)v)]), iter: 2_000);
    }

    [Fact]
    public void A_cast_tensor_gives_any_stretch_of_its_bytes()
    {
        StateTensor cast = CastTensor.Of(TestTensors.Of(TensorType.F16, 7, 11), TensorType.F32);
        byte[] all = cast.Bytes();
        for (int start = 0; start < all.Length; start++)
        {
            byte[] stretch = new byte[Math.Min(13, all.Length - start)];
            cast.CopyTo(start, stretch);
            stretch.ShouldBe(all[start..(start + stretch.Length)]);
        }
    }

    [Fact]
    public void Other_types_are_refused_and_the_same_type_is_the_tensor_itself()
    {
        MemoryTensor whole = TestTensors.Of(TensorType.I64, 2), real = TestTensors.Of(TensorType.F32, 2);
        Should.Throw<ArgumentException>(() => CastTensor.Of(whole, TensorType.F32));
        Should.Throw<ArgumentException>(() => CastTensor.Of(real, TensorType.I32));
        CastTensor.Of(real, TensorType.F32).ShouldBeSameAs(real);
    }

    private static ushort Bits(Half half, bool isNaN)
    {
        ushort bits = BitConverter.HalfToUInt16Bits(half);
        return isNaN ? (ushort)(bits | 0x200) : bits;
    }

    private static float Brain(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    private static void ShouldBeNearest(ushort bits, double value)
    {
        // Exact in 128 bits and more: distances as rationals of the same power of two.
        static BigInteger Scaled(double v)
        {
            long raw = BitConverter.DoubleToInt64Bits(v);
            int exponent = (int)((raw >> 52) & 0x7FF);
            BigInteger fraction = (raw & ((1L << 52) - 1)) | (exponent == 0 ? 0 : 1L << 52);
            return (raw < 0 ? -fraction : fraction) << Math.Max(0, exponent - 1);
        }
        // 2^128 stands for infinity, as in rounding.
        double Of(int b) => (b & 0x7FFF) == 0x7F80 ? Math.Pow(2, 128) * ((b & 0x8000) != 0 ? -1 : 1) : Brain((ushort)b);
        (double.IsNegative(value) == ((bits & 0x8000) != 0)).ShouldBeTrue();
        BigInteger distance = BigInteger.Abs(Scaled(Of(bits)) - Scaled(value));
        int size = bits & 0x7FFF;
        foreach (int neighbour in new[] { size - 1, size + 1 })
        {
            if (neighbour is < 0 or > 0x7F80)
                continue;
            BigInteger other = BigInteger.Abs(Scaled(Of(neighbour | (bits & 0x8000))) - Scaled(value));
            (distance < other || (distance == other && size % 2 == 0)).ShouldBeTrue($"{value:R} became {bits:x4}");
        }
    }
}
