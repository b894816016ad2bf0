using Cairn.Cli.Reporting.Charts;
using CsCheck;

namespace Cairn.Cli.Tests.Reporting;

public class ThinningTests
{
    [Fact]
    public void A_single_spike_among_a_million_values_survives_and_little_is_drawn()
    {
        const int Count = 1_000_000, Spike = 654_321;
        Axis steps = Axis.Exact(0, Count, AxisUnit.Steps);
        List<Column> columns = Thinning.Thin(Enumerable.Range(1, Count).Select(step => new Sample(step, step == Spike ? 99 : step == Spike + 1 ? -7 : 1)), steps);
        columns.Count.ShouldBeLessThanOrEqualTo(Thinning.Columns + 1);
        Column spiked = columns.Where(column => column.Most == 99).ShouldHaveSingleItem();
        spiked.ShouldBe(new Column(654, -7, 99, 1));
        Axis loss = Axis.For([-7, 99], AxisUnit.Number);
        CurvePath.Extent(columns, loss, 190).ShouldBe($"M654 {Down(loss, -7)}V{Down(loss, 99)}");
        CurvePath.Line(columns, loss, 190).Length.ShouldBeLessThan(20_000);
    }

    [Fact]
    public void Every_extreme_and_the_last_value_of_any_series_are_kept() =>
        Gen.Double[-1e6, 1e6].Array[1, 3000].Sample(values =>
        {
            List<Column> columns = Thinning.Thin(values.Select((value, i) => new Sample(i, value)), Axis.Exact(0, values.Length, AxisUnit.Steps));
            return columns.Max(column => column.Most) == values.Max() && columns.Min(column => column.Least) == values.Min() && columns[^1].Last == values[^1]
                && columns.Zip(columns.Skip(1)).All(pair => pair.First.Place < pair.Second.Place);
        }, iter: 200);

    [Fact]
    public void What_is_no_number_is_not_drawn()
    {
        Thinning.Thin([new Sample(1, 2), new Sample(2, double.NaN), new Sample(3, double.PositiveInfinity)], Axis.Exact(0, 10, AxisUnit.Steps)).ShouldHaveSingleItem().Last.ShouldBe(2);
        CurvePath.Line([], Axis.Exact(0, 1, AxisUnit.Number), 100).ShouldBeEmpty();
    }

    private static string Down(Axis axis, double value) => CurvePath.Down(axis, value, 190).ToString("0.#", System.Globalization.CultureInfo.InvariantCulture);
}
