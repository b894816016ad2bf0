using System.Globalization;
using System.Text;
using Cairn.Cli.Output;
using Cairn.Cli.Reporting.Data;
using Cairn.Cli.Reporting.Page;

namespace Cairn.Cli.Reporting.Charts;

/// <summary>Values over the steps, in panels one above the other, with what happened on the same axis.</summary>
internal static class TrainingChart
{
    // More signs than this would cover each other: then each is a line.
    private const int MostSigns = 24;
    private const int LaneHeight = 22;

    private static readonly (MarkKind Kind, string Lane, string Sign)[] Lanes =
    [
        (MarkKind.Checkpoint, "checkpoints", "checkpoint"), (MarkKind.Snapshot, "snapshots", "snapshot"), (MarkKind.Failed, "failures", "failed"), (MarkKind.Skipped, "skipped", "skipped"),
        (MarkKind.NotFinite, "not finite", "failed"), (MarkKind.Restart, "restarts", "restart"), (MarkKind.Branch, "branches", "branch"),
    ];

    /// <summary>Writes the chart.</summary>
    /// <param name="page">Where to.</param>
    /// <param name="id">Its id on the page.</param>
    /// <param name="steps">The axis across.</param>
    /// <param name="panels">The panels.</param>
    /// <param name="marks">What happened.</param>
    /// <param name="name">What it shows, in a few words.</param>
    public static void Write(Markup page, string id, Axis steps, IReadOnlyList<Panel> panels, IReadOnlyList<RunMark> marks, string name)
    {
        page.Add($"""<div class="chart" id="{id}" data-from="{steps.Low}" data-to="{steps.High}" tabindex="0" role="group" aria-label="{name}. Arrow keys read values, plus and minus zoom.">""").Add($"\n");
        ThinnedCurve[][] curves = [.. panels.Select(panel => panel.Curves.Select(curve => ThinnedCurve.Of(curve, steps)).ToArray())];
        foreach ((Panel panel, ThinnedCurve[] drawn) in panels.Zip(curves))
            WritePanel(page, steps, panel, drawn, marks);
        foreach ((MarkKind kind, string lane, string sign) in Lanes)
            WriteLane(page, steps, [.. marks.Where(mark => mark.Kind == kind)], lane, sign);
        PlotFrame.Across(page, steps, "step");
        page.Add($"""<p class="readout" role="status"></p><script type="application/json">""").AddRaw(Data(steps, panels, curves, marks)).Add($"</script></div>\n");
    }

    private static void WritePanel(Markup page, Axis steps, Panel panel, ThinnedCurve[] curves, IReadOnlyList<RunMark> marks)
    {
        page.Add($"""<p class="panel"><b>{panel.Title}</b> <span>{panel.Note}</span></p>""");
        PlotFrame.Open(page, PlotFrame.Scale(panel.Values, panel.Height), panel.Height, $"{panel.Title} over the steps: {panel.Note}");
        PlotFrame.Grid(page, panel.Values, panel.Height);
        var paths = new Markup();
        foreach (RunMark mark in marks.Where(mark => mark.Kind is MarkKind.Restart or MarkKind.Branch).DistinctBy(mark => (mark.Kind, Place(steps, mark.Step))))
            PlotFrame.Path(paths, mark.Kind == MarkKind.Branch ? "rule branch" : "rule restart", $"M{Place(steps, mark.Step)} 0V{panel.Height}");
        var ends = new List<(string, int, double)>();
        foreach ((Curve curve, ThinnedCurve thinned) in panel.Curves.Zip(curves))
        {
            string series = $"s{curve.Series % Palette.Series}";
            // What was left lies behind what holds.
            foreach (bool isLeft in (bool[])[true, false])
            {
                List<Column>[] parts = [.. thinned.Parts.Where(part => part.IsLeft == isLeft).Select(part => part.Columns)];
                string style = isLeft ? "left" : series;
                PlotFrame.Path(paths, $"extent {style}", string.Concat(parts.Select(part => CurvePath.Extent(part, panel.Values, panel.Height))));
                PlotFrame.Path(paths, $"curve {style}", string.Concat(parts.Select(part => CurvePath.Line(part, panel.Values, panel.Height))));
            }
            if (panel.Curves.Count > 1 && curve.Last is { } last)
                ends.Add((curve.Name, curve.Series, CurvePath.Down(panel.Values, last, panel.Height)));
        }
        PlotFrame.Stretched(page, panel.Height, paths);
        PlotFrame.Close(page, panel.Curves.Count > 1 ? PlotFrame.Ends(ends, panel.Height) : null);
    }

    private static void WriteLane(Markup page, Axis steps, RunMark[] marks, string lane, string sign)
    {
        if (marks.Length == 0)
            return;
        string span = marks.Length == 1 ? $"at step {Units.Count(marks[0].Step)}" : $"between steps {Units.Count(marks.Min(mark => mark.Step))} and {Units.Count(marks.Max(mark => mark.Step))}";
        PlotFrame.Open(page, new Markup().Add($"""<span class="scale">{lane} <b>{Units.Count(marks.Length)}</b></span>"""), LaneHeight, $"{Units.Count(marks.Length)} {lane}, {span}");
        IGrouping<int, RunMark>[] places = [.. marks.GroupBy(mark => Place(steps, mark.Step))];
        if (places.Length > MostSigns)
        {
            var paths = new Markup();
            PlotFrame.Path(paths, $"tick {sign}", string.Concat(places.Select(place => $"M{place.Key} 5V17")));
            PlotFrame.Stretched(page, LaneHeight, paths);
        }
        else
        {
            foreach (IGrouping<int, RunMark> place in places)
                page.Add($"""<use href="#sign-{sign}" class="sign {sign}" x="{place.Key / 10.0}%" y="11"><title>{place.First().Text}{Units.AndMore(place.Count())}</title></use>""");
        }
        PlotFrame.Close(page);
    }

    private static int Place(Axis steps, long step) => (int)Math.Round(Math.Clamp(steps.Share(step), 0, 1) * Thinning.Columns);

    // What the reading line shows. A number is as exact as it is shown.
    private static string Data(Axis steps, IReadOnlyList<Panel> panels, ThinnedCurve[][] curves, IReadOnlyList<RunMark> marks)
    {
        var text = new StringBuilder("{\"panels\":[");
        foreach ((Panel panel, ThinnedCurve[] drawn) in panels.Zip(curves))
        {
            text.Append(text[^1] == '[' ? "{\"name\":" : ",{\"name\":").Append(Json(panel.Title)).Append(",\"curves\":[");
            foreach ((Curve curve, ThinnedCurve thinned) in panel.Curves.Zip(drawn))
            {
                text.Append(text[^1] == '[' ? "{\"name\":" : ",{\"name\":").Append(Json(panel.Curves.Count > 1 ? curve.Name : "")).Append(",\"at\":[");
                text.AppendJoin(',', thinned.Parts.Where(part => !part.IsLeft).SelectMany(part => part.Columns).Select(column =>
                    column.Least == column.Most ? $"[{column.Place},{Number(column.Last)}]" : $"[{column.Place},{Number(column.Last)},{Number(column.Least)},{Number(column.Most)}]"));
                text.Append("]}");
            }
            text.Append("]}");
        }
        text.Append("],\"marks\":[").AppendJoin(',', marks.GroupBy(mark => (Place(steps, mark.Step), mark.Kind)).Take(3 * Thinning.Columns)
            .Select(place => $"[{place.Key.Item1},{Json(place.First().Text + Units.AndMore(place.Count()))}]"));
        return text.Append("]}").ToString();
    }

    // JSON's usual encoder writes what could end a script element as an escape.
    private static string Json(string text) => $"\"{System.Text.Encodings.Web.JavaScriptEncoder.Default.Encode(Words.Printable(text))}\"";

    private static string Number(double value) => value.ToString("G5", CultureInfo.InvariantCulture);
}

/// <summary>One of the plots of a chart.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Note">Its main numbers, in a line.</param>
/// <param name="Curves">A curve for each run.</param>
/// <param name="Values">The axis upwards.</param>
/// <param name="Height">Pixels.</param>
internal sealed record Panel(string Title, string Note, IReadOnlyList<Curve> Curves, Axis Values, int Height);
