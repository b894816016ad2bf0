using Cairn.Cli.Output;
using Cairn.Cli.Reporting.Page;

namespace Cairn.Cli.Reporting.Charts;

/// <summary>Times of many saves: how many took how long.</summary>
internal sealed class Distribution
{
    private const int Bins = 24, Height = 96, Head = 30;
    // Fewer are told one by one.
    private const int LeastToDraw = 5;

    private readonly double[] _seconds;

    public Distribution(IEnumerable<TimeSpan> times) => _seconds = [.. times.Select(time => Math.Max(0, time.TotalSeconds)).Order()];

    public int Count => _seconds.Length;

    public double Most => _seconds is [.., var most] ? most : 0;

    public bool IsDrawn => Count >= LeastToDraw;

    /// <summary>The time that this share of the saves took at most (the nearest rank).</summary>
    public double Quantile(double share) => _seconds[Math.Clamp((int)Math.Ceiling(share * _seconds.Length) - 1, 0, _seconds.Length - 1)];

    /// <summary>In a line.</summary>
    public string Text => Count == 0 ? "no save" : Count == 1 ? $"{Units.Seconds(_seconds[0])}, one save" : $"median {Units.Seconds(Quantile(0.5))}, 95 % within {Units.Seconds(Quantile(0.95))}, longest {Units.Seconds(Most)}, of {Units.Of(Count, "save")}";

    public void Write(Markup page, string name)
    {
        // A save that took no measurable time has a place on no logarithmic axis: half a millisecond stands for it.
        double least = Math.Max(_seconds[0], 0.0005), most = Math.Max(Most, least * 1.5);
        Axis axis = Axis.For([least, most], AxisUnit.Seconds, fromZero: most / least <= 30, mayBeLogarithmic: true);
        int[] counts = new int[Bins];
        foreach (double seconds in _seconds)
            counts[Math.Clamp((int)(axis.Share(Math.Max(seconds, axis.IsLogarithmic ? least : 0)) * Bins), 0, Bins - 1)]++;
        int highest = counts.Max();
        page.Add($"""<div class="chart small"><p class="panel"><b>{name}</b> <span>{Text}{(axis.IsLogarithmic ? "; logarithmic scale" : "")}</span></p>""");
        PlotFrame.Open(page, new Markup().Add($"""<svg class="scale" width="100%" height="{Height + Head}" aria-hidden="true"><text x="100%" dx="-8" y="{Head + 4}" dy=".35em" class="end">{Units.Of(highest, "save")}</text><text x="100%" dx="-8" y="{Height + Head - 4}" class="end">0</text></svg>"""), Height + Head, $"{name}: {Text}");
        for (int bin = 0; bin < Bins; bin++)
        {
            if (counts[bin] == 0)
                continue;
            // What is not zero can be seen.
            double tall = Math.Max(2, (double)counts[bin] / highest * Height);
            page.Add($"""<rect class="bar" x="{100.0 * bin / Bins + 0.15}%" width="{100.0 / Bins - 0.3}%" y="{Height + Head - tall}" height="{tall}"><title>{Units.Of(counts[bin], "save")}</title></rect>""");
        }
        Quantile(page, axis, 0.5, "median", 11);
        Quantile(page, axis, 0.95, "95 %", 25);
        PlotFrame.Close(page);
        PlotFrame.Across(page, axis, "");
        page.Add($"</div>\n");
    }

    private void Quantile(Markup page, Axis axis, double share, string name, int down)
    {
        double seconds = Quantile(share), at = Math.Clamp(axis.Share(Math.Max(seconds, axis.Low)), 0, 1) * 100;
        page.Add($"""<line class="quantile" x1="{at}%" x2="{at}%" y1="{down + 4}" y2="{Height + Head}"/><text class="strong {(at > 60 ? "end" : "start")}" x="{at}%" dx="{(at > 60 ? 3 : -3)}" y="{down}">{name} {Units.Seconds(seconds)}</text>""");
    }
}
