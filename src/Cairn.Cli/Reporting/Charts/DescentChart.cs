using Cairn.Checkpoints;
using Cairn.Cli.Output;
using Cairn.Cli.Reporting.Data;
using Cairn.Cli.Reporting.Page;
using Cairn.Cli.Verbs;

namespace Cairn.Cli.Reporting.Charts;

/// <summary>A branch as it is drawn.</summary>
/// <param name="Branch">The branch.</param>
/// <param name="Last">The highest step that it is known to have made.</param>
/// <param name="Holds">How far it belongs to the line that the run is on; less than where it began when it does not at all.</param>
internal sealed record DescentLine(Branch Branch, long Last, long Holds)
{
    /// <summary>The branches of a run, oldest first.</summary>
    public static IReadOnlyList<DescentLine> Of(RunReport run)
    {
        if (run.Lineage is not { } lineage)
            return [];
        Dictionary<int, long> reached = [];
        foreach (RunProcess process in run.Timeline.Processes)
            reached[process.Branch] = Math.Max(reached.GetValueOrDefault(process.Branch), process.LastStep);
        foreach (LsRow copy in run.Copies?.Copies ?? [])
        {
            if (copy.Step is { } step && run.BranchOf.TryGetValue(copy.Name, out int branch))
                reached[branch] = Math.Max(reached.GetValueOrDefault(branch), step);
        }
        reached[lineage.Current.Id] = Math.Max(reached.GetValueOrDefault(lineage.Current.Id), run.Progress?.Step ?? 0);
        Dictionary<int, Branch> branches = lineage.Branches.ToDictionary(branch => branch.Id);
        Dictionary<int, long> holds = [];
        long least = long.MaxValue;
        for (Branch? line = lineage.Current; line is not null; line = line.Parent is { } parent ? branches[parent] : null)
        {
            holds[line.Id] = least;
            least = Math.Min(least, line.ForkStep);
        }
        return [.. branches.Values.OrderBy(branch => branch.Id).Select(branch => new DescentLine(branch, Math.Max(branch.ForkStep, reached.GetValueOrDefault(branch.Id)), holds.GetValueOrDefault(branch.Id, -1)))];
    }
}

/// <summary>The line of descent: a lane for each branch, where it left another one, what of it was left behind, its copies, and where processes resumed.</summary>
internal static class DescentChart
{
    private const int LaneHeight = 34, Top = 4, Middle = 14;
    private const int MostLanes = 40;

    public static void Write(Markup page, RunReport run, IReadOnlyList<DescentLine> lines, Axis steps)
    {
        // Of very many branches the newest are drawn; the table has all.
        DescentLine[] drawn = [.. lines.TakeLast(MostLanes)];
        int height = drawn.Length * LaneHeight + Top;
        Dictionary<int, int> lane = drawn.Select((line, i) => (line.Branch.Id, i)).ToDictionary(pair => pair.Id, pair => pair.i);
        var names = new Markup().Add($"""<svg class="scale" width="100%" height="{height}" aria-hidden="true">""");
        foreach (DescentLine line in drawn)
            names.Add($"""<text x="100%" dx="-8" y="{Down(lane[line.Branch.Id])}" dy=".35em" class="end {(line.Branch.Id == run.Lineage!.Current.Id ? "now" : "")}">{ShortText.Of(line.Branch.Name, 12)}</text>""");
        page.Add($"""<div class="chart descent" data-from="{steps.Low}" data-to="{steps.High}">""");
        PlotFrame.Open(page, names.Add($"</svg>"), height, Text(run, lines));
        foreach (DescentLine line in drawn)
            Lane(page, line, lane, steps, run.Lineage!.Current.Id);
        foreach (RunProcess process in run.Timeline.Processes.Where(process => process.From is not null && lane.ContainsKey(process.Branch)).DistinctBy(process => (process.Branch, process.FirstStep)))
            Resume(page, process, Down(lane[process.Branch]), steps);
        foreach (LsRow copy in (run.Copies?.Copies ?? []).Reverse())
        {
            if (copy.Step is { } step && run.BranchOf.TryGetValue(copy.Name, out int branch) && lane.TryGetValue(branch, out int at))
                Copy(page, copy, step, Down(at), steps);
        }
        PlotFrame.Close(page);
        PlotFrame.Across(page, steps, "step");
        page.Add($"</div>\n");
    }

    private static void Lane(Markup page, DescentLine line, Dictionary<int, int> lanes, Axis steps, int current)
    {
        double down = Down(lanes[line.Branch.Id]);
        if (line.Branch.Parent is { } parent && lanes.TryGetValue(parent, out int above))
            page.Add($"""<line class="fork {(line.Holds >= 0 ? "holds" : "gone")}" x1="{Percent(steps, line.Branch.ForkStep)}%" x2="{Percent(steps, line.Branch.ForkStep)}%" y1="{Down(above)}" y2="{down}"/>""");
        long kept = Math.Min(line.Holds, line.Last);
        if (kept < line.Last)
            Segment(page, "gone", Math.Max(line.Branch.ForkStep, kept), line.Last, down, steps);
        if (kept > line.Branch.ForkStep || line.Branch.Id == current)
            Segment(page, line.Branch.Id == current ? "holds now" : "holds", line.Branch.ForkStep, kept, down, steps);
    }

    private static void Segment(Markup page, string style, long from, long to, double down, Axis steps) =>
        page.Add($"""<line class="lane {style}" x1="{Percent(steps, from)}%" x2="{Percent(steps, to)}%" y1="{down}" y2="{down}"/>""");

    private static void Resume(Markup page, RunProcess process, double down, Axis steps)
    {
        string text = $"Resumed at step {Units.Count(process.FirstStep)} from {process.From}{process.Again}";
        if (process.LostSteps > 0)
            page.Add($"""<line class="again" x1="{Percent(steps, process.FirstStep)}%" x2="{Percent(steps, process.FirstStep + process.LostSteps)}%" y1="{down + 9}" y2="{down + 9}"><title>{text}</title></line>""");
        page.Add($"""<use href="#sign-restart" class="sign restart" x="{Percent(steps, process.FirstStep)}%" y="{down + 12}"><title>{text}</title></use>""");
    }

    private static void Copy(Markup page, LsRow copy, long step, double down, Axis steps)
    {
        string style = copy.Fault is not null ? "bad" : copy.Status == "left behind" ? "gone" : copy.Kind;
        string text = $"{copy.Kind} {Units.Count(step)}, {copy.Status}{(copy.Resumed ? "; a restart begins here" : "")}";
        if (copy.Resumed)
            page.Add($"""<circle class="next" cx="{Percent(steps, step)}%" cy="{down}" r="9"><title>{text}</title></circle>""");
        page.Add($"""<use href="#sign-{copy.Kind switch { "snapshot" => "snapshot", _ => "checkpoint" }}" class="sign copy {style}" x="{Percent(steps, step)}%" y="{down}"><title>{text}</title></use>""");
    }

    private static string Text(RunReport run, IReadOnlyList<DescentLine> lines)
    {
        string branches = lines.Count == 1 ? $"One branch, {lines[0].Branch.Name}, up to step {Units.Count(lines[0].Last)}" : $"{lines.Count} branches; the run is on {run.Lineage!.Current.Name}. The table below says where each one left";
        int resumes = run.Timeline.Processes.Count(process => process.From is not null);
        return $"{branches}. {(resumes == 0 ? "No restart" : Units.Of(resumes, "restart"))}.{(run.Resumed is { Step: { } step } ? $" A restart begins at step {Units.Count(step)}." : "")}";
    }

    private static double Down(int lane) => Top + Middle + lane * LaneHeight;

    private static double Percent(Axis steps, long step) => Math.Clamp(steps.Share(step), 0, 1) * 100;
}
