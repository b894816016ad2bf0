using Cairn.Cli.Listing;
using Cairn.Cli.Output;
using Cairn.Cli.Reporting.Data;
using Cairn.Cli.Runs;
using Cairn.Cli.Verbs;

namespace Cairn.Cli.Reporting.Page.Sections;

/// <summary>What there is, and what a restart would take and lose.</summary>
internal static class CopiesSection
{
    private const int MostRows = 100;

    /// <param name="page">What is written.</param>
    /// <param name="run">The run.</param>
    /// <param name="id">Begins the names of the sections.</param>
    /// <param name="level">Of the headings.</param>
    /// <param name="asked">The number by which buttons name the run; <see langword="null"/> for none.</param>
    public static void Write(Markup page, RunReport run, string id, int level, int? asked)
    {
        Restart(page, run, id, level);
        Shapes.Open(page, $"{id}-copies", level, "Copies");
        if (run.Copies is not { Copies: { Count: > 0 } copies } all)
            page.Add($"""<p class="empty">There is no copy yet.</p>""");
        else
        {
            page.Add($"<p>{Units.Of(all.Checkpoints, all.Run is null && copies.All(copy => copy.Kind == CopyKinds.File) ? "file" : "checkpoint")}, {Units.Of(all.Snapshots, "snapshot")}, {Units.Bytes(all.Bytes)}{(all.Bad > 0 ? $"; {Units.Count(all.Bad)} cannot be used" : "")}. {Verified(run)}</p>\n");
            // What a restart takes is shown, however old it is.
            LsRow[] shown = [.. copies.Where((copy, i) => i < MostRows || copy.Resumed)];
            string caption = shown.Length < copies.Count ? $"The newest {Units.Count(shown.Length)} of {Units.Count(copies.Count)} copies of {run.Name}" : $"Copies of {run.Name}";
            // Only a run of Cairn knows why it saved, and on which branch.
            bool isRun = all.Run is not null;
            bool hasKept = isRun && (asked is not null || shown.Any(copy => copy.Kept is not null));
            Shapes.Table(page, caption, ["#step", "kind", "saved, UTC", "#size", "state", "verified, UTC", "resumable", .. isRun ? (string[])["why", "branch"] : [], .. hasKept ? (string[])["kept for"] : []],
                shown.Select(copy => (Markup[])[.. Row(run, copy, isRun), .. hasKept ? [KeptFor(run, copy, asked)] : (Markup[])[]]));
        }
        Shapes.Close(page);
    }

    private static string Verified(RunReport run) => run.VerifiedAt.Count == 0
        ? "Marker, names and sizes were looked at; the bytes were not read for this page (--verify does)." : $"{Units.Of(run.VerifiedAt.Count, "copy", "copies")} {(run.VerifiedAt.Count == 1 ? "was" : "were")} read to the end and {(run.VerifiedAt.Count == 1 ? "is" : "are")} good.";

    private static Markup[] Row(RunReport run, LsRow copy, bool isRun)
    {
        string? verified = null;
        DateTimeOffset? at = run.VerifiedAt.TryGetValue(copy.Name, out DateTimeOffset time) ? time : null;
        if (at is null)
            verified = copy.Status == "corrupt" ? "read, and damaged" : "not read";
        return
        [
            copy.Step is { } step ? Shapes.Number(step) : Shapes.Text(copy.Name), Shapes.Text(copy.Slot is { } slot ? $"{copy.Kind} {slot}" : copy.Kind), Shapes.Moment(copy.Time), Shapes.Text(Units.Bytes(copy.Bytes)),
            copy.Fault is { } fault ? new Markup().Add($"""<span class="fault">{Shapes.Badge("bad", copy.Status)} {fault}</span>""") : Shapes.Text(copy.Status), verified is null ? Shapes.Moment(at) : Shapes.Text(verified),
            copy.Resumed ? Shapes.Badge("good", "a restart takes it") : Shapes.Text(copy.Fault is null && copy.Status is "complete" or FastFolder.Recoverable ? "yes" : copy.Status is "left behind" or "weights only" ? "only by name" : "no"),
            .. isRun ? (Markup[])[Shapes.Text(copy.Reason), Shapes.Text(copy.Branch)] : [],
        ];
    }

    private static Markup KeptFor(RunReport run, LsRow copy, int? asked)
    {
        var cell = new Markup();
        foreach (KeptRow pin in copy.Kept ?? [])
            cell.Add($"{pin.By}{(pin.Why is null ? "" : $": {pin.Why}")}{(pin.Expires is { } expires ? new Markup().Add($", until {Shapes.Moment(expires)}") : new Markup())} ");
        if (asked is { } number && copy is { Fault: null, Step: { } step })
        {
            (string action, string text, string question) = copy.Kept is null ? ("keep", "Keep", $"Keep step {Units.Count(step)}, whatever retention, prune and newer snapshots would do?")
                : ("release", "Release", $"Leave step {Units.Count(step)} to the retention rules again, whoever asked to keep it?");
            cell.Add($"""<button type="button" data-run="{number}" data-action="{action}" data-step="{step}" data-question="{run.Name}: {question}" aria-label="{text} step {Units.Count(step)}">{text}</button>""");
        }
        return cell;
    }

    private static void Restart(Markup page, RunReport run, string id, int level)
    {
        Shapes.Open(page, $"{id}-restart", level, "A restart now");
        if (run.Resumed is not { } copy)
            page.Add($"<p>{(run.Copies?.Copies.Count > 0 ? run.Copies.Run is null ? "Which copy a restart takes is for the program that wrote them to say." : "It finds nothing to resume from, and begins anew." : "It begins anew: there is no copy yet.")}{Anew(run)}</p>\n");
        else
        {
            string by = run.Copies!.ResumedBy is { } program and not "Cairn" ? $"{program} takes " : "It takes ";
            page.Add($"""<p>{by}<b>{copy.Name}</b>{(copy.Step is { } at ? $", step {Units.Count(at)}" : "")}{(copy.Time is { } time ? new Markup().Add($", saved {Shapes.Moment(time)} UTC") : new Markup())}. <b>{Loss(run, copy)}</b></p>""").Add($"\n");
            LsRow[] passed = [.. run.Copies.Copies.Where(other => other.Fault is not null && other.Step > copy.Step)];
            if (passed.Length > 0)
                page.Add($"<p>{Shapes.Badge("bad", "passed over")} {string.Join("; ", passed.Take(5).Select(other => $"{other.Name}: {other.Fault}"))}{(passed.Length > 5 ? $" and {passed.Length - 5} more" : "")}</p>\n");
        }
        Shapes.Close(page);
    }

    private static string Anew(RunReport run) =>
        run.Audit is null || run.Step == 0 || run.Copies is { Run: null } ? "" : run.State == "killed" ? $" All that was made, {Units.Steps(run.Step, atLeast: true)}, would be made again." : run.Step == 1 ? " The only step would be made again." : $" All {Units.Count(run.Step)} steps would be made again.";

    private static string Loss(RunReport run, LsRow copy)
    {
        if (run.Audit is null || copy.Step is not { } step)
            return "";
        long lost = Math.Max(0, run.Step - step);
        bool wasKilled = run.State == "killed";
        return lost == 0 ? wasKilled ? "Nothing that is known of would be made again." : "Nothing would be made again."
            : $"{(wasKilled ? "At least " : "")}{Units.Of(lost, "step")} would be made again{(run.SecondsPerStep is { } seconds ? $", about {Units.Seconds(lost * seconds)} of work" : "")}.";
    }
}
