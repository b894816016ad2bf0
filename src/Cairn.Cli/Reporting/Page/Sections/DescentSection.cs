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
        page.Add($"""<p class="note key"><svg class="key" width="26" height="12" aria-hidden="true"><line class="lane holds now" x1="0" x2="26" y1="6" y2="6"/></svg> the line that the run is on <svg class="key" width="26" height="12" aria-hidden="true"><line class="lane gone" x1="0" x2="26" y1="6" y2="6"/></svg> left behind <svg class="key" width="14" height="12" aria-hidden="true"><use href="#sign-checkpoint" class="sign copy checkpoint" x="7" y="6"/></svg> checkpoint <svg class="key" width="14" height="12" aria-hidden="true"><use href="#sign-snapshot" class="sign copy snapshot" x="7" y="6"/></svg> snapshot <svg class="key" width="14" height="12" aria-hidden="true"><use href="#sign-restart" class="sign restart" x="7" y="6"/></svg> resumed <svg class="key" width="26" height="12" aria-hidden="true"><line class="again" x1="0" x2="26" y1="6" y2="6"/></svg> made again <svg class="key" width="20" height="20" aria-hidden="true"><circle class="next" cx="10" cy="10" r="8"/></svg> a restart begins here</p>""");
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
                Shapes.Number(session.Skips.Sum(skip => skip.Count)), Shapes.Number(session.Saves.Count), Shapes.Number(session.Branched ? 0 : session.LostSteps),
                Shapes.Text(session.End switch { Advice.Audit.SessionEnd.Unknown => "without a word", Advice.Audit.SessionEnd.Failed => "by an exception", var end => end.ToString().ToLowerInvariant() }),
            ]));
        page.Add($"</details>\n");
    }
}
