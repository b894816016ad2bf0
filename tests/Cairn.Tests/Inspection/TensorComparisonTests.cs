using Cairn.Inspection;
using Cairn.State;
using CsCheck;

namespace Cairn.Tests.Inspection;

public class TensorComparisonTests
{
    private static TensorComparison Compare(StateTensor left, StateTensor right, int threads = 2) =>
        TensorInspector.Compare(left, right, new InspectionOptions { Threads = threads }, TestContext.Current.CancellationToken);

    [Fact]
    public void Equal_bytes_are_identical_even_when_they_are_not_numbers()
    {
        TensorComparison found = Compare(Tensors.Singles(1, float.NaN, 3), Tensors.Streamed(Tensors.Singles(1, float.NaN, 3)));
        (found.Identical, found.Different, found.MaxAbsolute, found.Cosine, found.Values).ShouldBe((true, 0, 0, 1, 3));
    }

    [Fact]
    public void Distances_are_those_of_the_definition() => Gen.Select(Gen.Double[-10, 10], Gen.Double[-10, 10]).Array[1, 3000].Sample(pairs =>
    {
        double[] a = [.. pairs.Select(pair => pair.Item1)], b = [.. pairs.Select(pair => pair.Item2)];
        b[0] = a[0];
        b[^1] = a[^1] + 1;
        TensorComparison found = Compare(Tensors.Doubles(a), Tensors.Doubles(b));
        (double Left, double Right)[] both = [.. a.Zip(b)];
        double norms = Math.Sqrt(a.Sum(x => x * x)) * Math.Sqrt(b.Sum(x => x * x));
        found.Identical.ShouldBeFalse();
        found.Different.ShouldBe(both.Count(pair => pair.Left != pair.Right));
        found.MaxAbsolute.ShouldBe(both.Max(pair => Math.Abs(pair.Left - pair.Right)));
        found.MaxRelative.ShouldBe(both.Max(pair => pair.Left == pair.Right ? 0 : Math.Abs(pair.Left - pair.Right) / Math.Max(Math.Abs(pair.Left), Math.Abs(pair.Right))));
        if (norms > 0)
        {
            found.Cosine!.Value.ShouldBe(both.Sum(pair => pair.Left * pair.Right) / norms, 1e-9);
        }
        else
        {
            found.Cosine.ShouldBeNull();
        }
        found.RelativeNorm!.Value.ShouldBe(Math.Sqrt(both.Sum(pair => Math.Pow(pair.Left - pair.Right, 2))) / Math.Sqrt(Math.Max(a.Sum(x => x * x), b.Sum(x => x * x))), 1e-9);
    }, iter: 100);

    [Theory]
    [InlineData(0.0, 1.0)]
    [InlineData(-1.0, 0.0)]
    [InlineData(1e-200, 1.0)]
    public void There_is_no_cosine_where_a_norm_is_zero(double left, double right)
    {
        TensorComparison found = Compare(Tensors.Doubles(left), Tensors.Doubles(right));
        (found.Cosine, found.RelativeNorm).ShouldBe((null, 1));
    }

    [Fact]
    public void Types_may_differ()
    {
        TensorComparison found = Compare(Tensors.Singles(1, 2, 1 / 3f), Tensors.Of<ushort>(TensorType.BF16, 0x3F80, 0x4000, 0x3EAB));
        (found.Identical, found.Different).ShouldBe((false, 1));
        found.MaxAbsolute.ShouldBe(Math.Abs((double)(1 / 3f) - 0.333984375), 1e-15);
        Compare(Tensors.Singles(1, 2), Tensors.Doubles(1, 2)).ShouldSatisfyAllConditions(same => same.Different.ShouldBe(0), same => same.Identical.ShouldBeFalse(), same => same.Cosine.ShouldBe(1));
    }

    [Fact]
    public void What_is_not_finite_differs_infinitely_but_from_itself()
    {
        TensorComparison found = Compare(
            Tensors.Singles(float.NaN, float.NaN, 1, float.PositiveInfinity, float.PositiveInfinity, 5),
            Tensors.Singles(float.NaN, 2, 1, float.PositiveInfinity, float.NegativeInfinity, 5.5f));
        (found.Different, found.OneNaN, found.MaxAbsolute, found.MaxRelative).ShouldBe((3, 1, double.PositiveInfinity, double.PositiveInfinity));
        (found.RelativeNorm, found.Cosine).ShouldBe((double.PositiveInfinity, null));
        TensorComparison alike = Compare(Tensors.Singles(float.NaN, float.PositiveInfinity, 3, 4), Tensors.Singles(float.NaN, float.PositiveInfinity, 3, 5));
        (alike.Different, alike.OneNaN, alike.BothNaN, alike.MaxAbsolute).ShouldBe((1, 0, 1, 1));
        (alike.RelativeNorm, alike.Cosine).ShouldBe((null, null));
        Compare(Tensors.Singles(float.PositiveInfinity, 3, 4), Tensors.Singles(float.PositiveInfinity, 3, 5)).Cosine!.Value.ShouldBe(29 / (5 * Math.Sqrt(34)), 1e-12);
    }

    [Fact]
    public void Zeros_of_either_sign_are_equal_and_have_no_cosine()
    {
        TensorComparison found = Compare(Tensors.Singles(0, -0f), Tensors.Singles(-0f, 0));
        (found.Identical, found.Different, found.MaxAbsolute, found.MaxRelative, found.RelativeNorm, found.Cosine).ShouldBe((false, 0, 0, 0, 0, null));
    }

    [Fact]
    public void Large_integers_that_are_one_double_still_differ()
    {
        TensorComparison found = Compare(Tensors.Of(TensorType.I64, 1L << 60, -3L), Tensors.Of(TensorType.I64, (1L << 60) + 1, -3L));
        (found.Different, found.MaxAbsolute).ShouldBe((1, 1));
        Compare(Tensors.Of(TensorType.I64, long.MinValue), Tensors.Of(TensorType.I64, long.MaxValue)).MaxAbsolute.ShouldBe(18446744073709551615.0);
    }

    [Fact]
    public void One_changed_element_is_found_wherever_it_is() => Gen.Int[0, 899_999].Sample(place =>
    {
        byte[] bytes = new byte[900_000];
        bytes[place] = 1;
        TensorComparison found = Compare(new MemoryTensor(TensorType.U8, [900_000], new byte[900_000]), Tensors.Streamed(new MemoryTensor(TensorType.U8, [900_000], bytes)), threads: 3);
        (found.Different, found.MaxAbsolute, found.MaxRelative, found.Values).ShouldBe((1, 1, 1, 900_000));
    }, iter: 40);

    [Fact]
    public void Progress_ends_at_the_bytes_of_both()
    {
        (StateTensor, StateTensor)[] pairs =
        [
            (Tensors.Doubles(new double[200_000]), Tensors.Doubles(new double[200_000])),
            (Tensors.Doubles(new double[200_000]), Tensors.Doubles([.. new double[199_999], 1])),
            (Tensors.Doubles(new double[1000]), Tensors.Singles(new float[1000])),
        ];
        long read = 0;
        TensorInspector.Compare(pairs, new InspectionOptions { Threads = 3, BytesRead = bytes => Interlocked.Add(ref read, bytes) }, TestContext.Current.CancellationToken);
        read.ShouldBe(pairs.Sum(pair => pair.Item1.ByteLength + pair.Item2.ByteLength));
    }

    [Fact]
    public void Other_shapes_cannot_be_compared() =>
        Should.Throw<ArgumentException>(() => Compare(Tensors.Singles(1, 2), Tensors.Singles(1, 2, 3))).Message.ShouldContain("F32[3]");
}
