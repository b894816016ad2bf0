using Cairn.Cli.Output;
using Cairn.Cli.Reporting.Charts;
using Cairn.Cli.Reporting.Data;

namespace Cairn.Cli.Reporting.Page.Sections;

/// <summary>Loss, learning rate and speed over the steps, with what happened.</summary>
internal static class TrainingSection
{
    private const int MostRows = 12;

    public static void Write(Markup page, RunReport run, SharedAxes axes, string id, int level, int number)
    {
        Shapes.Open(page, $"{id}-training", level, "Training");
        List<Panel> panels = axes.Panels([axes.Curves[number]], $"{(run.Timeline.CountsTokens ? "Tokens" : "Steps")} per second");
        if (panels.Count == 0)
            page.Add($"""<p class="empty">{(run.Audit is null ? "No journal, no curves." : run.State == "training" && run.Step == 0 ? "The run has made no step yet." : "The journal holds no loss, learning rate or speed. Runs of older versions of Cairn have none; a program gives them to CompleteStep.")}</p>""");
        if (panels.Count > 0 || run.Timeline.Marks.Count > 0)
            TrainingChart.Write(page, $"{id}-chart", axes.Steps, panels, run.Timeline.Marks, $"Training of {run.Name}");
        if (panels.Count > 0)
        {
            page.Add($"""<p class="note">{Thinned(run.Timeline.Points)}{(run.Timeline.Processes.Count > 1 ? " What was made again after a restart, or left for a branch, is grey." : "")}</p>""");
            Table(page, run);
        }
        Shapes.Close(page);
    }

    /// <summary>What is not drawn value by value.</summary>
    private static string Thinned(List<MetricPoint> points)
    {
        long batches = points.GroupBy(point => point.Process).Sum(process => process.Last().Batch - process.First().Batch + 1);
        string journal = points.Count < batches
            ? $"The journal holds {Units.Count(batches)} batches in {Units.Count(points.Count)} windows, each with its least, highest and last loss and its slowest batch. " : $"{Units.Of(batches, "batch", "batches")}, each recorded. ";
        return journal + (points.Count > Thinning.Columns
            ? $"The chart draws them in {Units.Count(Thinning.Columns)} columns: a line through the last value of each, and a stroke from its least to its highest, so that no extreme gets lost."
            : "The chart draws them all.");
    }

    // For who does not see the chart: some rows of it.
    private static void Table(Markup page, RunReport run)
    {
        List<MetricPoint> points = run.Timeline.Points;
        int rows = Math.Min(MostRows, points.Count);
        IEnumerable<MetricPoint> chosen = Enumerable.Range(1, rows).Select(i => points[(int)((long)points.Count * i / rows) - 1]);
        page.Add($"<details><summary>Some of it as a table</summary>\n");
        Shapes.Table(page, $"Training of {run.Name}, {Units.Of(rows, "row")} of {Units.Count(points.Count)}", ["#step", "#batch", "#loss", "#learning rate", $"#{(run.Timeline.CountsTokens ? "tokens" : "steps")} per second"],
            chosen.Select(point => (IReadOnlyList<Markup>)[Shapes.Number(point.Step), Shapes.Number(point.Batch), Digits(point.Loss), Digits(point.LearningRate), Digits(point.Rate)]));
        page.Add($"</details>\n");
    }

    private static Markup Digits(double? number) => Shapes.Text(number is { } known ? Units.Digits(known) : "");
}
