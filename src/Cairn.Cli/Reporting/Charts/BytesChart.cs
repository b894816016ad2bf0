using System.Globalization;
using System.Text;
using Cairn.Cli.Output;
using Cairn.Cli.Reporting.Data;
using Cairn.Cli.Reporting.Page;

namespace Cairn.Cli.Reporting.Charts;

/// <summary>What the run's copies held over time, against the room there is.</summary>
internal static class BytesChart
{
    private const int Height = 130;
    // Room that is far above what is held would press it to the ground.
    private const double MostRoom = 4;

    public static void Write(Markup page, IReadOnlyList<HeldBytes> held, DateTimeOffset now, long? room, string text)
    {
        DateTimeOffset end = held[^1].Time > now ? held[^1].Time : now;
        // A run that ended long ago: the time after it says nothing.
        DateTimeOffset last = held[^1].Time + (held[^1].Time - held[0].Time) / 20;
        end = last < end ? last : end;
        Axis time = Axis.Exact(held[0].Time.ToUnixTimeSeconds(), end.ToUnixTimeSeconds(), AxisUnit.Time);
        long most = held.Max(point => point.Bytes);
        bool hasLimit = room is { } limit && limit <= most * MostRoom;
        Axis bytes = Axis.For(held.Select(point => (double)point.Bytes).Append(hasLimit ? room!.Value : most), AxisUnit.Bytes, fromZero: true);
        page.Add($"""<div class="chart">""");
        PlotFrame.Open(page, PlotFrame.Scale(bytes, Height), Height, text);
        PlotFrame.Grid(page, bytes, Height);
        var paths = new Markup();
        string steps = Steps(held, time, bytes);
        PlotFrame.Path(paths, "area", $"{steps}V{Height}H0Z");
        PlotFrame.Path(paths, "curve s0", steps);
        PlotFrame.Stretched(page, Height, paths);
        if (hasLimit)
        {
            double down = CurvePath.Down(bytes, room!.Value, Height);
            page.Add($"""<line class="limit" x1="0" x2="100%" y1="{down}" y2="{down}"/><text class="strong start" x="0" dx="6" y="{down + 14}">room for {Units.Bytes(room.Value)}</text>""");
        }
        PlotFrame.Close(page);
        PlotFrame.Across(page, time, "time, UTC");
        page.Add($"</div>\n");
    }

    // Held from a moment up to the next; of each column the highest, so that no peak gets lost.
    private static string Steps(IReadOnlyList<HeldBytes> held, Axis time, Axis bytes)
    {
        List<Column> columns = Thinning.Thin(held.Select(point => new Sample(point.Time.ToUnixTimeMilliseconds() / 1000.0, point.Bytes)), time);
        var path = new StringBuilder($"M{columns[0].Place} {CurvePath.Number(Height)}");
        foreach (Column column in columns)
            path.Append(CultureInfo.InvariantCulture, $"H{column.Place}V{CurvePath.Number(CurvePath.Down(bytes, column.Most, Height))}V{CurvePath.Number(CurvePath.Down(bytes, column.Last, Height))}");
        return path.Append(CultureInfo.InvariantCulture, $"H{Thinning.Columns}").ToString();
    }
}
