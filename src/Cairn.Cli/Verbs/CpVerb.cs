using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Serialization.Metadata;
using Cairn.Cli.Input;
using Cairn.Cli.Listing;
using Cairn.Cli.Output;
using Cairn.Cli.Transfer;
using Cairn.Cli.Verification;
using Cairn.Opening;
using Cairn.Saving;
using Cairn.Saving.Stages;
using Cairn.Stores;

namespace Cairn.Cli.Verbs;

/// <summary>A newer copy of the run that <c>cairn cp</c> could not take.</summary>
internal sealed record CpPassedOver(string Copy, string Why);

/// <summary>
/// The result of <c>cairn cp</c>. <c>State</c> is copied, there (the same copy stood there already) or planned. The folders are relative to source and target; that in the target is absent while
/// nothing was done. Only what was read back is verified.
/// </summary>
internal sealed record CpResult(
    string Source, string Target, string? Run, string Copy, string? Folder, long Step, string Kind, string State, long Bytes, int Files, bool Verified, IReadOnlyList<CpPassedOver> PassedOver,
    IReadOnlyList<string> Notes, double Seconds);

/// <summary><c>cairn cp</c>: one copy into another run.</summary>
internal sealed class CpVerb : Verb
{
    public const string Name = "cp";

    private readonly Argument<string> _source = new("source") { Description = "A checkpoint or snapshot, such as runs/a/500 or s3://bucket/runs/a/snapshot/1; of a run, its newest good copy.", HelpName = "SOURCE" };
    private readonly Argument<string> _target = new("target") { Description = "The run to copy it to, a folder or an address; created when there is none.", HelpName = "TARGET" };
    private readonly Option<long?> _step = QuantityOption.Count("--step", "The copy of this step, when PATH is a run.");
    private readonly Option<bool> _force = new("--force") { Description = "Move a checkpoint of the same step with other content to abandoned/." };
    private readonly Option<bool> _noVerify = new("--no-verify") { Description = "Do not read back what arrived." };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Say what would be copied, and write nothing." };

    public override JsonTypeInfo Result => JsonTypes.Default.CpResult;

    public override string Example => "cairn cp runs/tinylm/500 s3://bucket/runs/tinylm\n  cairn cp s3://bucket/runs/tinylm runs/tinylm --step 500";

    public override string Details => "Folders and object stores, each way. The copy is complete in the target or absent: it has its name when every byte is durable, was compared with the hashes of the marker and read back. The target is locked meanwhile, so a run that trains is refused. A target without a run becomes this run; one that holds another run is refused. What was interrupted begins anew.";

    protected override Command Define() => new(Name, "Copies a checkpoint or snapshot into a run, here or in an object store.") { _source, _target, _step, _force, _noVerify, _dryRun };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        string from = parsed.GetValue(_source)!, to = parsed.GetValue(_target)!;
        long start = Stopwatch.GetTimestamp();
        var source = TransferSource.Open(from);
        var passedOver = new List<CpPassedOver>();
        IReadOnlyList<CatalogEntry> candidates = Candidates(source, from, parsed.GetValue(_step), passedOver);
        using var target = TransferTarget.Open(to, source);
        CpResult result = parsed.GetValue(_dryRun)
            ? Planned(source, target, candidates[0], parsed.GetValue(_force))
            : Copied(parsed, screen, source, target, candidates, passedOver, cancellationToken);
        result = result with { PassedOver = passedOver, Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds };
        screen.Show(result, JsonTypes.Default.CpResult, shown => Render(screen, shown));
        return passedOver.Count > 0 ? ExitCode.FoundBad : ExitCode.Good;
    }

    private CpResult Copied(ParseResult parsed, Screen screen, TransferSource source, TransferTarget target, IReadOnlyList<CatalogEntry> candidates, List<CpPassedOver> passedOver, CancellationToken cancellationToken)
    {
        CancellationToken token = target.Take(source, screen, cancellationToken);
        bool readBack = !parsed.GetValue(_noVerify);
        foreach (CatalogEntry entry in candidates)
        {
            if (Refuse(source, target, entry, parsed.GetValue(_force)) == Arrival.There)
            {
                PutRecord(source, target, entry);
                return Of(source, target, entry, "there");
            }
            try
            {
                SavedCopy copy = Bring(screen, source, target, entry, readBack, token);
                PutRecord(source, target, entry);
                return Of(source, target, entry, "copied") with { Folder = copy.Entry.Folder, Verified = readBack, Notes = copy.Notes };
            }
            catch (CorruptCheckpointException e) when (candidates.Count > 1)
            {
                passedOver.Add(new CpPassedOver(entry.Folder, e.Message));
            }
            catch (OperationCanceledException) when (target.IsLost)
            {
                throw target.Loss();
            }
        }
        throw new CheckpointException($"{source.Files.Root} holds no good copy, so nothing was copied. Try: cairn verify {source.Files.Root}") { Path = source.Files.Root };
    }

    private static SavedCopy Bring(Screen screen, TransferSource source, TransferTarget target, CatalogEntry entry, bool readBack, CancellationToken cancellationToken)
    {
        using var progress = new ProgressLine(screen, $"copy {entry.Folder}", entry.Marker!.Bytes * (readBack ? 2 : 1));
        return target.Bring(source.Files, entry, readBack, files => new MeteredFileSource(files, progress.Add), cancellationToken);
    }

    private static CpResult Planned(TransferSource source, TransferTarget target, CatalogEntry entry, bool force) =>
        Of(source, target, entry, Refuse(source, target, entry, force) == Arrival.There ? "there" : "planned");

    // Says no to what would do harm.
    private static Arrival Refuse(TransferSource source, TransferTarget target, CatalogEntry entry, bool force)
    {
        Arrival arrival = target.ArrivalOf(source.Files, entry);
        return arrival switch
        {
            Arrival.Outdated => throw new CheckpointException(
                $"{entry.Folder} of {source.Files.Root} is a snapshot of step {entry.Step}, and {target.Root} holds newer ones, of which it would replace one. Nothing was changed. Give another folder or address.")
            { Step = entry.Step, Path = target.Root },
            Arrival.Differs when entry.Kind == Policies.SaveKind.Snapshot => throw new CheckpointException(
                $"{target.Root} holds another snapshot of step {entry.Step}, with other content. Nothing was changed. Give another folder or address.")
            { Step = entry.Step, Path = target.Root },
            Arrival.Differs when !force => throw new CheckpointException(
                $"{target.Root} holds a checkpoint of step {entry.Step} with other content. Nothing was changed. --force moves it to {Checkpoints.RunFolder.Abandoned}/ and puts this one in its place.")
            { Step = entry.Step, Path = target.Root },
            _ => arrival,
        };
    }

    private static IReadOnlyList<CatalogEntry> Candidates(TransferSource source, string from, long? step, List<CpPassedOver> passedOver)
    {
        CatalogEntry[] entries = [.. source.Entries.Where(entry => step is null || entry.Step == step)];
        if (entries.FirstOrDefault(entry => entry.Fault is { IsTransient: true }) is { } changed)
            throw changed.Changed();
        if (source.IsOne && entries.Length == 0)
            throw new WrongUseException($"{from} is one copy, of step {source.Entries[0].Step}. Leave --step {step} out, or give its run.");
        if (entries.Length == 0)
        {
            string steps = string.Join(", ", source.Entries.Select(entry => entry.Step).Distinct());
            throw new CheckpointException(step is null ? $"{from} holds no copy yet." : $"{from} holds no copy of step {step}. Steps there: {(steps.Length == 0 ? "none" : steps)}.") { Path = source.Files.Root };
        }
        // Where a step is named, no other will do; of its checkpoint and its snapshot the first is taken.
        if (source.IsOne || step is not null)
        {
            return entries.FirstOrDefault(entry => entry.Marker is not null) is { } named ? [named]
                : throw new CorruptCheckpointException($"{entries[0].Folder} of {source.Files.Root} cannot be copied: {CopyListing.Within(entries[0].Folder, entries[0].Fault!)}.") { Path = source.Files.Root };
        }
        LineView? line = source.Run is { } run ? LineView.Of(run) : null;
        CatalogEntry[] good = [.. entries.Where(entry => line?.Holds(entry) ?? entry.Marker is not null)];
        if (good.Length == 0)
            throw new CheckpointException($"{from} holds no complete copy. Try: cairn ls {from}") { Path = source.Files.Root };
        passedOver.AddRange(entries.TakeWhile(entry => entry != good[0]).Where(entry => entry.Fault is not null && !source.IsUnderWay(entry)).Select(entry => new CpPassedOver(entry.Folder, CopyListing.Within(entry.Folder, entry.Fault!))));
        return good;
    }

    // After the copy: a target without one becomes no run.
    private static void PutRecord(TransferSource source, TransferTarget target, CatalogEntry entry)
    {
        if (source.Run is not { } run)
            return;
        bool isUnknownBranch = target.Record is { } record && entry.Marker is { IsDerived: false } marker && record.Lineage.Branches.All(branch => branch.Id != marker.Lineage.Current.Id);
        if (!target.HasRecord || (isUnknownBranch && RunKinship.Covers(run.Lineage, target.Record!.Lineage)))
            target.Put(run);
    }

    private static CpResult Of(TransferSource source, TransferTarget target, CatalogEntry entry, string state)
    {
        IReadOnlyList<FileSystemEntry> files = entry.Marker!.IsDerived ? UnmarkedTransfer.FilesOf(source.Files, entry.Folder) : [];
        long bytes = entry.Marker.IsDerived ? files.Sum(file => file.Length) : entry.Marker.Bytes;
        return new CpResult(
            source.Files.Root, target.Root, source.Run?.Id, entry.Folder, null, entry.Step, RunView.KindOf(entry), state, bytes, entry.Marker.IsDerived ? files.Count : entry.Marker.Files.Count, Verified: false, [], [], 0);
    }

    private static void Render(Screen screen, CpResult result)
    {
        foreach (CpPassedOver bad in result.PassedOver)
            screen.Line(screen.Bad($"passed over  {bad.Copy}: {bad.Why}"));
        string what = $"{result.Kind} of step {result.Step}, {Units.Of(result.Files, "file")}, {Units.Bytes(result.Bytes)}";
        string source = $"{result.Source}/{result.Copy}";
        screen.Line(result.State switch
        {
            "there" => screen.Good("already there") + Screen.Plain($"  {source} → {result.Target}  {what}. Nothing was moved."),
            "planned" => Screen.Plain($"would copy  {source} → {result.Target}  {what}. Nothing was done; leave --dry-run out to do it."),
            _ => screen.Good("copied") + Screen.Plain($"  {source} → {result.Target}/{result.Folder}  {what}, in {Units.Time(TimeSpan.FromSeconds(result.Seconds))}. {(result.Verified ? "It was read back and is good." : "It was not read back.")}"),
        });
        foreach (string note in result.Notes)
            screen.Line(screen.Dim($"Note: {note}."));
    }
}
