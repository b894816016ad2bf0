using Cairn.Cli.Reporting.Page;

namespace Cairn.Cli.Reporting.Charts;

/// <summary>
/// What all charts share: a row of three, the scale at the left, the plot, and room at the right for the names of the curves. Across, a plot stands in percent, so that letters and signs keep
/// their size on a phone and on a wide screen; only outlines are stretched.
/// </summary>
internal static class PlotFrame
{
    private const int LeastDistance = 15;

    /// <summary>Opens a row and its plot.</summary>
    /// <param name="page">Where to.</param>
    /// <param name="scale">The left side.</param>
    /// <param name="height">Pixels.</param>
    /// <param name="text">What the plot shows, for who does not see it.</param>
    public static void Open(Markup page, Markup scale, int height, string text) =>
        page.Add($"""<div class="row">{scale}<svg class="plot" width="100%" height="{height}" role="img" aria-label="{text}">""");

    /// <summary>Ends the plot, and its row with what stands at the right.</summary>
    public static void Close(Markup page, Markup? right = null) => page.Add($"</svg>{right}</div>\n");

    /// <summary>An outline, in a thousand columns across and in pixels down.</summary>
    public static void Stretched(Markup page, int height, Markup paths) =>
        page.Add($"""<svg class="stretch" viewBox="0 0 {Thinning.Columns} {height}" preserveAspectRatio="none" width="100%" height="{height}">{paths}</svg>""");

    public static void Path(Markup paths, string style, string outline)
    {
        if (outline.Length > 0)
            paths.Add($"""<path class="{style}" d="{outline}"/>""");
    }

    /// <summary>The left side of a plot with a scale: its round values.</summary>
    public static Markup Scale(Axis axis, int height)
    {
        var scale = new Markup().Add($"""<svg class="scale" width="100%" height="{height}" aria-hidden="true">""");
        foreach ((double value, string text) in axis.Ticks(4))
            scale.Add($"""<text x="100%" dx="-8" y="{Math.Clamp(CurvePath.Down(axis, value, height), 6, height - 4)}" dy=".35em" class="end">{text}</text>""");
        return scale.Add($"</svg>");
    }

    /// <summary>The lines of a scale across a plot.</summary>
    public static void Grid(Markup page, Axis axis, int height)
    {
        foreach ((double value, _) in axis.Ticks(4))
        {
            double down = CurvePath.Down(axis, value, height);
            page.Add($"""<line class="grid" x1="0" x2="100%" y1="{down}" y2="{down}"/>""");
        }
    }

    /// <summary>The axis below the plots.</summary>
    public static void Across(Markup page, Axis axis, string name)
    {
        page.Add($"""<div class="row axis" aria-hidden="true"><span class="scale">{name}</span><svg class="plot" width="100%" height="24" data-axis="{(axis.Unit == AxisUnit.Steps ? "steps" : "")}">""");
        page.Add($"""<line class="base" x1="0" x2="100%" y1=".5" y2=".5"/>""");
        foreach ((double value, string text) in axis.Ticks(5))
        {
            double share = axis.Share(value);
            page.Add($"""<line class="base" x1="{share * 100}%" x2="{share * 100}%" y1="0" y2="5"/><text x="{share * 100}%" y="18" class="{(share < 0.03 ? "start" : share > 0.97 ? "end" : "middle")}">{text}</text>""");
        }
        page.Add($"</svg></div>\n");
    }

    /// <summary>Names at the right ends of the curves, each as near to its end as the others let it be.</summary>
    public static Markup Ends(IEnumerable<(string Name, int Series, double Down)> ends, int height)
    {
        var right = new Markup().Add($"""<svg class="ends" width="100%" height="{height}" aria-hidden="true">""");
        double free = 8;
        (string Name, int Series, double Down)[] sorted = [.. ends.OrderBy(end => end.Down)];
        for (int i = 0; i < sorted.Length; i++)
        {
            double most = height - 6 - (sorted.Length - 1 - i) * LeastDistance;
            double down = Math.Max(free, Math.Min(sorted[i].Down, most));
            free = down + LeastDistance;
            right.Add($"""<text class="s{sorted[i].Series % Palette.Series}" x="6" y="{down}" dy=".35em">{ShortText.Of(sorted[i].Name, 14)}</text>""");
        }
        return right.Add($"</svg>");
    }
}

/// <summary>How many runs are told apart by colour and dashes; the style sheet has a class for each.</summary>
internal static class Palette
{
    public const int Series = 6;
}
