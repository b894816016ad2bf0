using Cairn.Cli.Output;
using Cairn.Cli.Reporting.Charts;
using Cairn.Cli.Reporting.Data;

namespace Cairn.Cli.Reporting.Page.Sections;

/// <summary>Several runs side by side.</summary>
internal static class ComparisonSection
{
    public static void Write(Markup page, IReadOnlyList<RunReport> runs, SharedAxes axes)
    {
        Shapes.Open(page, "comparison", 2, "Side by side");
        List<Panel> panels = axes.Panels(axes.Curves, runs.All(run => run.Timeline.CountsTokens) ? "Tokens per second" : runs.Any(run => run.Timeline.CountsTokens) ? "Tokens, or steps, per second" : "Steps per second");
        if (panels.Count > 0)
        {
            page.Add($"""<p class="legend">""");
            for (int i = 0; i < runs.Count; i++)
                page.Add($"""<a href="#r{i}-name"><svg class="key" width="34" height="12" aria-hidden="true"><line class="curve s{i % Palette.Series}" x1="0" x2="34" y1="6" y2="6"/></svg> {runs[i].Name}</a> """);
            page.Add($"</p>\n");
            TrainingChart.Write(page, "comparison-chart", axes.Steps, panels, [], "Training of all runs");
        }
        Shapes.Table(page, "The runs side by side", ["run", "state", "#steps", "#skipped", "#loss", "#least loss", "#saves", "#stall", "#restarts", "#made again", "#copies", "audit"], runs.Select((run, i) => Row(run, axes.Curves[i], i)));
        Shapes.Close(page);
    }

    private static Markup[] Row(RunReport run, RunCurves curves, int number)
    {
        int made = run.Made.Count(), failed = run.Saves.Count() - made;
        double? loss = run.Progress?.Loss ?? curves.Loss.Last;
        int bad = run.Audit?.Findings.Count(finding => finding.IsHarmful) ?? 0;
        return
        [
            new Markup().Add($"""<a href="#r{number}-name">{run.Name}</a>"""), RunHeader.State(run), Shapes.Text($"{Units.Count(run.Step)}{(run.TotalSteps is { } total ? $" of {Units.Count(total)}" : "")}"), Shapes.Number(run.Audit?.Skips.Values.Sum()),
            Shapes.Text(loss is { } last ? Units.Digits(last) : ""), Shapes.Text(curves.Loss.IsEmpty ? "" : Units.Digits(curves.Loss.Values.Min())), Shapes.Text($"{Units.Count(made)}{(failed == 0 ? "" : $", {Units.Count(failed)} failed")}"),
            Shapes.Text(run.Audit is { ActiveTime.Ticks: > 0 } audit ? Quantities.Percent(audit.Stall / audit.ActiveTime) : ""), Shapes.Number(Math.Max(0, run.Timeline.Processes.Count - 1)), Shapes.Text(run.Audit is { } told ? $"{(told is { LostAtLeast: true, LostSteps: > 0 } ? "≥ " : "")}{Units.Count(told.LostSteps)}" : ""),
            Shapes.Text(run.Copies is { Copies.Count: > 0 } copies ? $"{Units.Count(copies.Copies.Count)}, {Units.Bytes(copies.Bytes)}" : "none"),
            run.Audit is null ? Shapes.Text("no journal") : bad == 0 ? Shapes.Text("nothing bad") : Shapes.Badge("bad", $"{bad} bad"),
        ];
    }
}
