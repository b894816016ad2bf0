using Cairn.Cli.Output;
using Cairn.Cli.Reporting.Charts;
using Cairn.Cli.Reporting.Data;

namespace Cairn.Cli.Reporting.Page.Sections;

/// <summary>The line of descent, and its processes.</summary>
internal static class DescentSection
{
    private const int MostProcesses = 50;

    public static void Write(Markup page, RunReport run, SharedAxes axes, string id, int level)
    {
        IReadOnlyList<DescentLine> lines = DescentLine.Of(run);
        if (lines.Count == 0)
            return;
        Shapes.Open(page, $"{id}-descent", level, "Line of descent");
        DescentChart.Write(page, run, lines, axes.Steps);
        Key(page, run, lines);
        if (lines.Count > 1)
        {
            page.Add($"<details><summary>The branches as a table</summary>\n");
            Shapes.Table(page, $"Branches of {run.Name}", ["branch", "left", "#at step", "#reached", "#of it holds up to"], lines.Select(line => (IReadOnlyList<Markup>)
            [
                Shapes.Text(line.Branch.Name), Shapes.Text(lines.FirstOrDefault(other => other.Branch.Id == line.Branch.Parent)?.Branch.Name ?? ""), Shapes.Number(line.Branch.Parent is null ? null : line.Branch.ForkStep),
                Shapes.Number(line.Last), line.Holds < 0 ? Shapes.Text("nothing") : Shapes.Number(Math.Min(line.Holds, line.Last)),
            ]));
            page.Add($"</details>\n");
        }
        Processes(page, run);
        Shapes.Close(page);
    }

    // What each sign stands for.
    private static void Key(Markup page, RunReport run, IReadOnlyList<DescentLine> lines)
    {
        page.Add($"""<p class="note key">""");
        Entry("""<line class="lane holds now" x1="2" x2="24" y1="6" y2="6"/>""", "the line that the run is on");
        if (lines.Any(line => line.Holds < line.Last))
            Entry("""<line class="lane gone" x1="2" x2="24" y1="6" y2="6"/>""", "left behind");
        if (run.Copies?.Checkpoints > 0)
            Entry("""<use href="#sign-checkpoint" class="sign copy checkpoint" x="13" y="6"/>""", "checkpoint");
        if (run.Copies?.Snapshots > 0)
            Entry("""<use href="#sign-snapshot" class="sign copy snapshot" x="13" y="6"/>""", "snapshot");
        if (run.Timeline.Processes.Any(process => process.From is not null))
            Entry("""<use href="#sign-restart" class="sign restart" x="13" y="6"/>""", "resumed");
        if (run.Timeline.Processes.Any(process => process.LostSteps > 0))
            Entry("""<line class="again" x1="2" x2="24" y1="6" y2="6"/>""", "made again");
        if (run.Resumed is not null)
            Entry("""<circle class="next" cx="13" cy="6" r="5"/>""", "a restart begins here");
        page.Add($"</p>\n");

        void Entry(string sign, string text) => page.Add($"""<span><svg class="key" width="26" height="12" aria-hidden="true">""").AddRaw(sign).Add($"</svg>{text}</span> ");
    }

    private static void Processes(Markup page, RunReport run)
    {
        if (run.Audit is not { History.Sessions: { Count: > 0 } sessions })
            return;
        int hidden = Math.Max(0, sessions.Count - MostProcesses);
        page.Add($"<details><summary>{(sessions.Count == 1 ? "Its process" : $"Its {Units.Count(sessions.Count)} processes")}</summary>\n");
        Shapes.Table(page, $"Processes of {run.Name}{(hidden > 0 ? $", the last {MostProcesses}" : "")}", ["#process", "began, UTC", "from", "#from step", "#to step", "#skipped", "#saves", "#made again", "end"],
            sessions.Skip(hidden).Select((session, i) => (IReadOnlyList<Markup>)
            [
                Shapes.Number(hidden + i + 1), Shapes.Moment(session.Started), Shapes.Text(session.ResumedFrom ?? "the beginning"), Shapes.Number(session.FirstStep), Shapes.Number(session.LastStep),
                Shapes.Number(session.Skips.Sum(skip => skip.Count)), Shapes.Number(session.Saves.Count), Shapes.Text($"{(session is { LostAtLeast: true, LostSteps: > 0 } ? "≥ " : "")}{Units.Count(session.LostSteps)}"),
                Shapes.Text(session.End switch { Advice.Audit.SessionEnd.Unknown => "without a word", Advice.Audit.SessionEnd.Failed => "by an exception", var end => end.ToString().ToLowerInvariant() }),
            ]));
        page.Add($"</details>\n");
    }
}
