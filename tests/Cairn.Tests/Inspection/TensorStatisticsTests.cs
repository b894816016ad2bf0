using Cairn.Inspection;
using Cairn.State;
using CsCheck;

namespace Cairn.Tests.Inspection;

public class TensorStatisticsTests
{
    private static TensorStatistics Measure(StateTensor tensor, int threads = 2, int bins = 32) =>
        TensorInspector.Measure(tensor, new InspectionOptions { Threads = threads, Bins = bins }, TestContext.Current.CancellationToken);

    [Fact]
    public void Counts_what_is_not_finite_and_measures_the_rest()
    {
        TensorStatistics found = Measure(Tensors.Singles(float.NaN, 1, 0, -0f, float.PositiveInfinity, 3, float.NegativeInfinity, float.NegativeInfinity, -4));
        (found.Values, found.NaN, found.PositiveInfinity, found.NegativeInfinity, found.Zeros, found.Finite).ShouldBe((9, 1, 1, 2, 2, 5));
        (found.Min, found.Max, found.Mean).ShouldBe((-4, 3, 0));
        found.StandardDeviation!.Value.ShouldBe(Math.Sqrt(26 / 5.0), 1e-12);
        found.Histogram!.Counts.Sum().ShouldBe(5);
    }

    [Fact]
    public void A_tensor_without_a_finite_value_has_no_mean()
    {
        TensorStatistics found = Measure(Tensors.Singles(float.NaN, float.NaN, float.PositiveInfinity));
        (found.Min, found.Max, found.Mean, found.StandardDeviation, found.Histogram).ShouldBe((null, null, null, null, null));
        Measure(new MemoryTensor(TensorType.F32, [0, 3], default)).ShouldSatisfyAllConditions(none => none.Values.ShouldBe(0), none => none.Mean.ShouldBeNull());
    }

    [Fact]
    public void Deviations_are_found_far_from_zero() => Gen.Double[-1, 1].Array[3000, 9000].Sample(values =>
    {
        // A thousand million times their spread away, where the difference of two sums of squares would have no digit left.
        double[] far = [.. values.Select(value => value + 1e9)];
        TensorStatistics found = Measure(Tensors.Doubles(far));
        double mean = far.Average(value => value - 1e9);
        found.Mean!.Value.ShouldBe(mean + 1e9, 1e-6);
        found.StandardDeviation!.Value.ShouldBe(Math.Sqrt(far.Average(value => (value - 1e9 - mean) * (value - 1e9 - mean))), 1e-6);
    }, iter: 20);

    [Fact]
    public void Results_do_not_depend_on_threads_or_on_where_the_bytes_lie() => Gen.Double[-1e3, 1e3].Array[150_000, 250_000].Sample(values =>
    {
        MemoryTensor tensor = Tensors.Doubles(values);
        TensorStatistics one = Measure(tensor, threads: 1), many = Measure(Tensors.Streamed(tensor), threads: 5);
        (many with { Histogram = null }).ShouldBe(one with { Histogram = null });
        many.Histogram!.Counts.ShouldBe(one.Histogram!.Counts);
        (many.Histogram.Start, many.Histogram.Width).ShouldBe((one.Histogram.Start, one.Histogram.Width));
    }, iter: 8);

    [Fact]
    public void Every_value_is_in_the_bin_whose_edges_enclose_it() =>
        Gen.Select(Gen.Double[-1, 1], Gen.Int[-30, 30]).Select((share, exponent) => share * Math.Pow(2, exponent)).Array[1, 4000].Sample(values =>
        {
            ValueHistogram histogram = Measure(Tensors.Doubles(values), bins: 24).Histogram!;
            histogram.Counts.Count.ShouldBeInRange(1, 24);
            long[] counts = new long[histogram.Counts.Count];
            foreach (double value in values)
            {
                // Edges are whole multiples of the width and exact; a quotient may round onto one.
                double place = Math.Floor(value / histogram.Width);
                place += place * histogram.Width > value ? -1 : (place + 1) * histogram.Width <= value ? 1 : 0;
                counts[(int)(place - histogram.Start / histogram.Width)]++;
            }
            histogram.Counts.ShouldBe(counts);
        }, iter: 300);

    [Fact]
    public void Bins_reach_from_the_smallest_to_the_largest_value()
    {
        ValueHistogram histogram = Measure(Tensors.Doubles([.. Enumerable.Range(0, 1000).Select(i => i / 1000.0 - 0.25)]), bins: 10).Histogram!;
        (histogram.Counts[0] > 0 && histogram.Counts[^1] > 0).ShouldBeTrue();
        histogram.Counts.Count.ShouldBeGreaterThan(5);
        Measure(Tensors.Singles(0, 0, 0)).Histogram!.Counts.ShouldBe([3]);
        Measure(Tensors.Singles(7, 7)).Histogram!.Counts.ShouldBe([2]);
    }

    [Fact]
    public void Bins_are_fine_where_values_lie_close_together_far_from_zero() =>
        Measure(Tensors.Doubles([.. Enumerable.Range(0, 100).Select(i => 1 + i * 1e-7)]), bins: 20).Histogram!.Counts.ShouldAllBe(count => count > 0 && count < 20);

    [Fact]
    public void The_largest_and_smallest_doubles_have_bins()
    {
        TensorStatistics found = Measure(Tensors.Doubles(double.MaxValue, -double.MaxValue, double.Epsilon));
        (found.Min, found.Max, found.Histogram!.Counts.Sum()).ShouldBe((-double.MaxValue, double.MaxValue, 3));
        found.NaN.ShouldBe(0);
        Measure(Tensors.Doubles(double.Epsilon, 0)).Zeros.ShouldBe(1);
    }

    [Theory]
    [InlineData(TensorType.F16, new ushort[] { 0x3C00, 0xC000, 0x0001, 0x7C00 }, -2, 1)]
    [InlineData(TensorType.BF16, new ushort[] { 0x3F80, 0xC000, 0x0000, 0x7F80 }, -2, 1)]
    [InlineData(TensorType.I16, new ushort[] { 0x7FFF, 0x8000, 0, 1 }, -32768, 32767)]
    [InlineData(TensorType.U16, new ushort[] { 0x7FFF, 0x8000, 0, 1 }, 0, 32768)]
    [InlineData(TensorType.U8, new ushort[] { 0xFF01, 0x0203 }, 1, 255)]
    [InlineData(TensorType.I8, new ushort[] { 0xFF01, 0x8003 }, -128, 3)]
    [InlineData(TensorType.Bool, new ushort[] { 0x0100, 0x0001 }, 0, 1)]
    // 1 and −448, the largest of E4M3; 7F is its NaN.
    [InlineData(TensorType.F8E4M3, new ushort[] { 0xFE38, 0x007F }, -448, 1)]
    [InlineData(TensorType.F8E5M2, new ushort[] { 0xFB3C, 0x7F7C }, -57344, 1)]
    [InlineData(TensorType.F8E4M3Fnuz, new ushort[] { 0xFF40, 0x8000 }, -240, 1)]
    [InlineData(TensorType.F8E5M2Fnuz, new ushort[] { 0xFF40, 0x8000 }, -57344, 1)]
    [InlineData(TensorType.F8E8M0, new ushort[] { 0x7F80, 0xFF7E }, 0.5, 2)]
    [InlineData(TensorType.F4, new ushort[] { 0xF210, 0x0007 }, -6, 6)]
    // Four elements in three bytes: 0, 7.5, −7.5, 1.
    [InlineData(TensorType.F6E2M3, new ushort[] { 0xF7C0, 0x0023, 0x0000 }, -7.5, 7.5)]
    [InlineData(TensorType.F6E3M2, new ushort[] { 0xF7C0, 0x0033, 0x0000 }, -28, 28)]
    public void Elements_of_every_small_type(TensorType type, ushort[] bits, double min, double max)
    {
        TensorStatistics found = Measure(Tensors.Of(type, bits));
        (found.Min, found.Max).ShouldBe((min, max));
    }

    [Fact]
    public void Elements_of_large_types()
    {
        Measure(Tensors.Of(TensorType.I64, long.MinValue, 5L)).Min.ShouldBe(-9223372036854775808.0);
        Measure(Tensors.Of(TensorType.U64, ulong.MaxValue, 5UL)).Max.ShouldBe(18446744073709551615.0);
        Measure(Tensors.Of(TensorType.I32, int.MinValue, 5)).Min.ShouldBe(int.MinValue);
        Measure(Tensors.Of(TensorType.U32, uint.MaxValue, 5u)).Max.ShouldBe(uint.MaxValue);
        Measure(Tensors.Of(TensorType.C128, 1.0, -2.0, 3.0, double.NaN)).ShouldSatisfyAllConditions(
            complex => complex.Values.ShouldBe(4), complex => complex.NaN.ShouldBe(1), complex => complex.Min.ShouldBe(-2), complex => complex.Max.ShouldBe(3));
        Measure(Tensors.Of(TensorType.C64, 1f, -2f)).Min.ShouldBe(-2);
        Measure(Tensors.Of(TensorType.C32, (Half)1, (Half)(-2))).Min.ShouldBe(-2);
    }

    [Fact]
    public void Statistics_of_many_tensors_stand_in_their_order()
    {
        StateTensor[] tensors = [.. Enumerable.Range(0, 300).Select(i => (StateTensor)Tensors.Singles([.. Enumerable.Repeat((float)i, i * 7 % 50)]))];
        long read = 0;
        IReadOnlyList<TensorStatistics> found = TensorInspector.Measure(tensors, new InspectionOptions { Threads = 4, BytesRead = bytes => Interlocked.Add(ref read, bytes) }, TestContext.Current.CancellationToken);
        found.Select(one => one.Values).ShouldBe(tensors.Select(tensor => tensor.ByteLength / 4));
        found.Where(one => one.Values > 0).ShouldAllBe(one => one.Min == one.Max);
        found[41].Mean.ShouldBe(41);
        read.ShouldBe(tensors.Sum(tensor => tensor.ByteLength));
    }

    [Fact]
    public void A_failed_read_and_a_cancellation_end_it()
    {
        Should.Throw<StoreException>(() => Measure(new FailingTensor(3 << 20)));
        Should.Throw<OperationCanceledException>(() => TensorInspector.Measure(Tensors.Singles(1), cancellationToken: new CancellationToken(canceled: true)));
    }

    private sealed class FailingTensor(long bytes) : StateTensor(TensorType.U8, [bytes])
    {
        public override void CopyTo(long offset, Span<byte> destination)
        {
            if (offset + destination.Length > ByteLength / 2)
                throw new StoreException("The disk is gone.");
        }
    }
}
