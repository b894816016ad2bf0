using Cairn.Cli.Reporting.Charts;
using CsCheck;

namespace Cairn.Cli.Tests.Reporting;

public class AxisTests
{
    [Fact]
    public void Ticks_are_round_and_few()
    {
        Texts(Axis.Exact(0, 6000, AxisUnit.Steps), 5).ShouldBe(["0", "2,000", "4,000", "6,000"]);
        Texts(Axis.Exact(0, 1_000_000, AxisUnit.Steps), 5).ShouldBe(["0", "200k", "400k", "600k", "800k", "1M"]);
        Texts(Axis.Exact(0, 2, AxisUnit.Steps), 5).ShouldBe(["0", "1", "2"], "there is no half step");
        Texts(Axis.Exact(0, 3 * 3600, AxisUnit.Time), 5).ShouldBe(["00:00", "01:00", "02:00", "03:00"]);
        Texts(Axis.For([3e9], AxisUnit.Bytes, fromZero: true), 4).ShouldBe(["0", "1.00 GB", "2.00 GB", "3.00 GB"]);
    }

    [Fact]
    public void What_is_far_apart_and_positive_is_logarithmic()
    {
        Axis.For([0.01, 20], AxisUnit.Number, mayBeLogarithmic: true).IsLogarithmic.ShouldBeTrue();
        Axis.For([-0.01, 20], AxisUnit.Number, mayBeLogarithmic: true).IsLogarithmic.ShouldBeFalse();
        Texts(Axis.For([0.01, 100], AxisUnit.Number, mayBeLogarithmic: true), 4).ShouldBe(["0.01", "0.1", "1", "10", "100"]);
    }

    [Fact]
    public void Any_values_have_an_axis_on_which_they_all_lie() =>
        Gen.Select(Gen.OneOf(Gen.Double, Gen.Double[-1e3, 1e3], Gen.Const(double.NaN), Gen.Const(0.0), Gen.Const(double.MaxValue), Gen.Const(double.Epsilon)).Array[0, 6], Gen.Bool, Gen.Bool).Sample((values, zero, logarithmic) =>
        {
            Axis axis = Axis.For(values, AxisUnit.Number, zero, logarithmic);
            return axis.High > axis.Low && axis.Ticks(4).Count < 60 && axis.Ticks(4).All(tick => double.IsFinite(tick.Value))
                && values.Where(double.IsFinite).All(value => !double.IsNaN(axis.Share(value)));
        }, iter: 2000);

    private static IEnumerable<string> Texts(Axis axis, int about) => axis.Ticks(about).Select(tick => tick.Text);
}
