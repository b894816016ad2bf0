using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Serialization.Metadata;
using Cairn.Checkpoints;
using Cairn.Cli.Output;
using Cairn.Cli.Transfer;

namespace Cairn.Cli.Verbs;

/// <summary><c>cairn sync</c>: what a run has and another place lacks.</summary>
internal sealed class SyncVerb : Verb
{
    public const string Name = "sync";

    private const string NoRecord = "absent", LeftOut = "left_out";

    private readonly Argument<string> _source = new("source") { Description = "The run, a folder or an address. Training may go on meanwhile.", HelpName = "SOURCE" };
    private readonly Argument<string> _target = new("target") { Description = "Where its copies go, a folder or an address; created when there is none.", HelpName = "TARGET" };
    private readonly Option<bool> _checkpointsOnly = new("--checkpoints-only") { Description = "Leave the snapshots out." };
    private readonly Option<bool> _delete = new("--delete") { Description = "Remove checkpoints of the target that the source has no more; never its newest good copy." };
    private readonly Option<bool> _noVerify = new("--no-verify") { Description = "Do not read back what arrived." };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Say what would be done, and write nothing." };

    public override JsonTypeInfo Result => JsonTypes.Default.SyncResult;

    public override string Example => "cairn sync runs/tinylm s3://bucket/runs/tinylm --checkpoints-only";

    public override string Details => "The oldest first, then run.json and the journal, so that the target can be resumed at any moment. Each copy is complete there or absent. Interrupted, the same command goes on with the copies that are missing; the one that was under way begins anew, none of its files are taken over. A copy that is there is known by its marker and not moved again. What is damaged is named and passed over, and the exit code is 1. The target is locked meanwhile, so one that trains is refused.";

    protected override Command Define() => new(Name, "Copies a whole run to another place, here or in an object store.") { _source, _target, _checkpointsOnly, _delete, _noVerify, _dryRun };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        string from = parsed.GetValue(_source)!, to = parsed.GetValue(_target)!;
        bool isDryRun = parsed.GetValue(_dryRun), readBack = !parsed.GetValue(_noVerify);
        long start = Stopwatch.GetTimestamp();
        var source = TransferSource.Open(from);
        if (source.IsOne)
            throw new WrongUseException($"{from} is one copy. Give its run, or try: cairn cp {from} {to}");
        using var target = TransferTarget.Open(to, source);
        CancellationToken token = isDryRun ? cancellationToken : target.Take(source, screen, cancellationToken);
        // A pipe hears of each copy at once; on a terminal lines would run into the progress.
        bool isAtOnce = !screen.IsJson && !screen.IsTerminal && !screen.ErrorIsTerminal;
        var sync = new RunSync(source, target, parsed.GetValue(_checkpointsOnly), row =>
        {
            if (isAtOnce)
                screen.Raw(Line(row));
        });
        try
        {
            if (isDryRun)
                sync.Plan();
            else
                sync.Run(screen, readBack, token);
            string record = Record(source, target, sync.Notes, isDryRun), journal = Journal(source, target, sync.Notes, isDryRun, token);
            // Before anything is removed: it must not name what goes.
            if (!isDryRun)
                target.MendBest();
            if (parsed.GetValue(_delete))
                sync.RemoveOthers(isDryRun, token);
            if (!isDryRun && parsed.GetValue(_delete))
                target.MendBest();
            SyncResult result = Of(source, target, sync, record, journal) with { Done = !isDryRun, Verified = readBack && !isDryRun, Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds };
            screen.Show(result, JsonTypes.Default.SyncResult, shown => Render(screen, shown, isAtOnce));
            return result.Bad > 0 ? ExitCode.FoundBad : ExitCode.Good;
        }
        catch (OperationCanceledException) when (target.IsLost)
        {
            throw target.Loss();
        }
        catch (OperationCanceledException)
        {
            screen.Error("What was brought is there; the same command goes on with the rest.");
            throw;
        }
    }

    // What the target knows of branches that the source has not, is not forgotten.
    private static string Record(TransferSource source, TransferTarget target, List<string> notes, bool isDryRun)
    {
        if (source.Run is not { } run)
            return NoRecord;
        if (target is { HasRecord: true, Record: { } here })
        {
            if (here.ToBytes().AsSpan().SequenceEqual(run.ToBytes()))
                return RunSync.There;
            if (!RunKinship.Covers(run.Lineage, here.Lineage))
            {
                notes.Add($"{RunFolder.Record} of the target is kept: it knows branches that the source has not");
                return RunSync.Kept;
            }
        }
        if (!isDryRun)
            target.Put(run);
        return RunSync.Copied;
    }

    private static string Journal(TransferSource source, TransferTarget target, List<string> notes, bool isDryRun, CancellationToken cancellationToken)
    {
        if (source.Run is null)
            return LeftOut;
        string journal = isDryRun ? JournalTransfer.Plan(source.Files, target.Files) : JournalTransfer.Run(source.Files, target.Files, cancellationToken);
        if (journal == JournalTransfer.Kept)
            notes.Add($"{RunFolder.Journal} of the target is kept: it is not the beginning of the source's");
        return journal;
    }

    private static SyncResult Of(TransferSource source, TransferTarget target, RunSync sync, string record, string journal) => new(
        source.Files.Root, target.Root, source.Run?.Id, Done: false, sync.Rows, Count(sync, RunSync.Copied), Count(sync, RunSync.There), Count(sync, RunSync.Removed), Count(sync, RunSync.Damaged) + Count(sync, RunSync.Differs),
        sync.Rows.Where(row => row.State is RunSync.Copied or RunSync.Planned).Sum(row => row.Bytes), Verified: false, record, journal, sync.Notes, 0);

    private static int Count(RunSync sync, string state) => sync.Rows.Count(row => row.State == state);

    private static string Line(SyncRow row) => $"{Word(row.State)}  {row.Name}  {Units.Bytes(row.Bytes)}{(row.Why is { } why ? $"  {why}" : "")}";

    private static string Word(string state) => state switch { RunSync.There => "already there", RunSync.Planned => "would copy", RunSync.PassedOver => "passed over", _ => state };

    private static void Render(Screen screen, SyncResult result, bool isShown)
    {
        if (!isShown)
        {
            screen.Table(["", "copy", "size", "why"], result.Copies.Select(row => (IReadOnlyList<string>)
            [
                row.State is RunSync.Damaged or RunSync.Differs or RunSync.Removed ? screen.Bad(Word(row.State)) : row.State == RunSync.Copied ? screen.Good(Word(row.State)) : screen.Dim(Word(row.State)),
                Screen.Plain(row.Name), Units.Bytes(row.Bytes), Screen.Plain(row.Why ?? ""),
            ]), 2);
        }
        foreach (string note in result.Notes)
            screen.Line(screen.Dim($"Note: {note}."));
        int planned = result.Copies.Count(row => row.State == RunSync.Planned);
        string copies = result.Done
            ? $"{Copies(result.Copied)} copied, {Units.Bytes(result.Bytes)} in {Units.Time(TimeSpan.FromSeconds(result.Seconds))}{(result is { Verified: true, Copied: > 0 } ? ", read back and good" : "")}"
            : $"{Copies(planned)} would be copied, {Units.Bytes(result.Bytes)}";
        string removed = result.Removed > 0 ? $", {result.Removed} {(result.Done ? "removed" : "would be removed")}" : "", bad = result.Bad > 0 ? $", {result.Bad} bad" : "";
        screen.Line(Screen.Plain($"{result.Source} → {result.Target}: {copies}, {result.There} already there{removed}{bad}. {(result.Done ? "" : "Nothing was done; leave --dry-run out to do it.")}".TrimEnd()));
    }

    private static string Copies(int number) => $"{Units.Count(number)} {(number == 1 ? "copy" : "copies")}";
}
