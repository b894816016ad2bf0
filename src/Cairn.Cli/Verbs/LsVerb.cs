using System.CommandLine;
using Cairn.Cli.Output;
using Cairn.Commit;
using Cairn.Resume;

namespace Cairn.Cli.Verbs;

/// <summary>One copy of a run in <c>cairn ls</c>.</summary>
internal sealed record LsRow(
    long? Step, string Kind, int? Slot, string? Reason, DateTimeOffset? Time, long Bytes, int Files, string Status, string? Fault, string? Branch, bool Resumed);

/// <summary>The result of <c>cairn ls</c>.</summary>
internal sealed record LsResult(string Run, string Id, string Branch, IReadOnlyList<LsRow> Copies, int Checkpoints, int Snapshots, long Bytes, string? ResumedFrom);

/// <summary><c>cairn ls</c>: what do I have?</summary>
internal sealed class LsVerb(TimeProvider time) : Verb
{
    private readonly Argument<string> _run = RunArgument();
    private readonly Option<bool> _verify = new("--verify") { Description = "Read and hash the files of what would be resumed, as a restart does." };

    protected override string Example => "cairn ls runs/tinylm";

    protected override Command Define() => new("ls", "Lists the checkpoints and snapshots of a run, newest first, and marks what a restart would take.") { _run, _verify };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        RunView run = RunView.Open(parsed.GetValue(_run)!);
        ResumeChoice choice = run.Choose(parsed.GetValue(_verify), cancellationToken);
        LsRow[] rows = [.. run.Catalog.Entries.Select(entry => Row(run, entry, choice))];
        var result = new LsResult(
            run.Files.Root, run.Record.Id, run.Record.Lineage.Current.Name, rows,
            rows.Count(row => row.Kind == "checkpoint"), rows.Count(row => row.Kind == "snapshot"), rows.Sum(row => row.Bytes), choice.Chosen?.Folder);
        screen.Show(result, JsonTypes.Default.LsResult, shown => Render(screen, shown));
        return rows.Any(row => row.Fault is not null) ? ExitCode.FoundBad : ExitCode.Good;
    }

    private static LsRow Row(RunView run, CatalogEntry entry, ResumeChoice choice)
    {
        Marker? marker = entry.Marker;
        CheckpointFault? fault = entry.Fault ?? choice.PassedOver.FirstOrDefault(passed => passed.Folder == entry.Folder);
        string status = entry.Fault is not null ? "incomplete" : fault is not null ? "corrupt" : !run.IsOnLine(marker!) ? "left behind" : "complete";
        return new LsRow(
            entry.Step == CatalogEntry.NoStep ? null : entry.Step, RunView.KindOf(entry), entry.Slot, marker?.Reason.ToString().ToLowerInvariant(), marker?.Time,
            marker?.Files.Sum(file => file.Length) ?? 0, marker?.Files.Count ?? 0, status, fault?.ToString(), marker?.Lineage.Current.Name, entry == choice.Chosen);
    }

    private void Render(Screen screen, LsResult result)
    {
        DateTimeOffset now = time.GetUtcNow();
        screen.Table(
            ["", "step", "kind", "why", "age", "size", "files", "status", "branch"],
            result.Copies.Select(row => (IReadOnlyList<string>)
            [
                row.Resumed ? screen.Good("→") : "",
                row.Step is { } step ? Units.Plain(step) : "?",
                row.Slot is { } slot ? $"{row.Kind} {slot}" : row.Kind,
                row.Reason ?? "",
                row.Time is { } at ? Units.Time(now - at) : "",
                row.Files > 0 ? Units.Bytes(row.Bytes) : "",
                row.Files > 0 ? Units.Plain(row.Files) : "",
                row.Fault is { } fault ? screen.Bad($"{row.Status}: {fault}") : row.Status == "complete" ? screen.Good(row.Status) : screen.Dim(row.Status),
                row.Branch ?? "",
            ]),
            1, 4, 5, 6);
        screen.Line(Screen.Plain($"{result.Checkpoints} checkpoints, {result.Snapshots} snapshots, {Units.Bytes(result.Bytes)}. ")
            + (result.ResumedFrom is { } from ? Screen.Plain($"A restart takes {from}/.") : screen.Bad("A restart finds nothing to resume from.")));
    }
}
