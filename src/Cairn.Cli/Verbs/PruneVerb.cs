using System.CommandLine;
using System.Text.Json.Serialization.Metadata;
using Cairn.Checkpoints;
using Cairn.Cli.Input;
using Cairn.Cli.Listing;
using Cairn.Cli.Output;
using Cairn.Cli.Pruning;
using Cairn.Cli.Runs;
using Cairn.Cli.Verification;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Stores;

namespace Cairn.Cli.Verbs;

/// <summary>A checkpoint in <c>cairn prune</c>: its folder, or the files of its step.</summary>
internal sealed record PruneRow(string Name, long? Step, long Bytes, bool Removed, string? Why)
{
    /// <summary>The value at its own step of the metric by which the best is found, or of <c>--metric</c>.</summary>
    public double? Metric { get; init; }

    /// <summary>Bytes of what only a restart needs, and which go by <c>--weights-only</c>; absent when it stays as it is.</summary>
    public long? Dropped { get; init; }
}

/// <summary>The result of <c>cairn prune</c>.</summary>
internal sealed record PruneResult(string Root, string Rule, string GoodCopy, bool Done, IReadOnlyList<PruneRow> Checkpoints, long BytesFreed)
{
    /// <summary>The best checkpoint of the run's line, which stays.</summary>
    public BestCheckpoint? Best { get; init; }

    /// <summary>What goes by <c>--left-over</c>; absent when nothing does.</summary>
    public IReadOnlyList<LeftOverRow>? LeftOver { get; init; }
}

/// <summary><c>cairn prune</c>: get rid of the rest.</summary>
internal sealed class PruneVerb : Verb
{
    private readonly Argument<string> _run = new("run") { Description = "The folder or address of a run, or a folder of checkpoints of any kind.", HelpName = "RUN" };
    private readonly Option<int?> _last = new("--keep-last") { Description = "Keep this many of the newest; at least 2.", HelpName = "number" };
    private readonly Option<long?> _every = new("--keep-every") { Description = "Keep those whose step is a multiple of this.", HelpName = "steps" };
    private readonly Option<int?> _best = new("--keep-best") { Description = "Keep this many of the best by --metric.", HelpName = "number" };
    private readonly Option<string?> _metric = new("--metric") { Description = "A metric that the run recorded (TrainState.Metrics).", HelpName = "name" };
    private readonly Option<bool> _higher = new("--higher-is-better") { Description = "For --metric: a higher value is better." };
    private readonly Option<long?> _within = QuantityOption.Bytes("--within-bytes", "Remove the oldest until all fit into this many bytes, for example 500GB.");
    private readonly Option<bool> _incomplete = new("--incomplete") { Description = "Remove incomplete checkpoints too, if they are older than the newest good one." };
    private readonly Option<bool> _weightsOnly = new("--weights-only") { Description = "Take from the older checkpoints what only a restart needs (optimizer, scheduler, scaler, sampler, random, loader); their weights stay." };
    private readonly Option<int?> _keepOptimizer = new("--keep-optimizer") { Description = "For --weights-only: this many of the newest keep all; at least 2 [default: 2].", HelpName = "number" };
    private readonly Option<TimeSpan?> _each = QuantityOption.Time("--keep-each", "Keep the first of every stretch of time, such as 6h.");
    private readonly Option<long?> _spread = QuantityOption.Count("--keep-spread", "Keep fewer the older they are, counted in so many steps: the newest 4, every second, every fourth, and so on.");
    private readonly Option<bool> _leftOver = new("--left-over") { Description = "Remove what stands in the run and is no copy of its: abandoned/, and what interrupted saves left." };
    private readonly Option<bool> _explain = new("--explain") { Description = "Say of each which rules keep it." };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Show the plan and remove nothing, as without --yes." };
    private readonly Option<bool> _yes = new("--yes") { Description = "Do it. Without --yes the plan is shown and nothing is removed." };

    public override JsonTypeInfo Result => JsonTypes.Default.PruneResult;

    public override string Example => "cairn prune runs/tinylm --keep-last 3 --keep-every 1000 --yes";

    public override string Details => "The newest copy is read to its end before, and never removed when it is good, nor is the best of a run; what is incomplete is left for inspection, snapshots are left alone.";

    protected override Command Define() =>
        new("prune", "Removes checkpoints that no rule keeps.")
        { _run, _last, _every, _best, _metric, _higher, _within, _each, _spread, _incomplete, _weightsOnly, _keepOptimizer, _leftOver, _explain, _dryRun, _yes };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        IRetentionPolicy policy = Policy(parsed);
        bool yes = parsed.GetValue(_yes);
        if (yes && parsed.GetValue(_dryRun))
            throw new WrongUseException("--dry-run removes nothing, and --yes does it: give one of them.");
        int? keepOptimizer = KeepOptimizer(parsed);
        // Other programs know no lock.
        IRunHome? home = yes ? RunPlace.HomeOf(parsed.GetValue(_run)!) : null;
        using ILease? lease = home is null ? null : RunPlace.Lock(home, screen.Error, cancellationToken);
        CopyListing listing = Read(parsed);
        ListedCopy good = NewestGood(screen, listing, cancellationToken);
        IReadOnlyList<PrunedStep> plan = PrunePlan.Of(listing.Copies, policy, good, listing.Best is { } best ? [RunFolder.Checkpoint(best.Step)] : BestModel.Among(listing.Root, listing.Copies), parsed.GetValue(_best) is null ? null : parsed.GetValue(_metric), parsed.GetValue(_incomplete), parsed.GetValue(_explain));
        if (keepOptimizer is { } keep)
            plan = listing.Run is not null ? PrunePlan.WithoutOptimizers(plan, keep, good) : throw new WrongUseException($"--weights-only is for runs of Cairn: what in {listing.Root} only a restart needs, only its program knows.");
        LeftOver[] leftOver = parsed.GetValue(_leftOver) ? [.. listing.FindLeftOver().Where(left => left.Pins.Count == 0)] : [];
        string? metric = parsed.GetValue(_metric) ?? listing.Best?.Metric;
        PrunedStep[] removed = [.. plan.Where(step => step.IsRemoved)], smaller = [.. plan.Where(step => step.BytesDropped > 0)];
        // Before anything goes: afterwards nobody can tell what was shared.
        long freed = PrunePlan.BytesFreed(listing, plan) + leftOver.Sum(left => left.Bytes);
        if (home is not null)
        {
            CopyRemoval.OfRun(home, lease, removed, cancellationToken);
            CopyRemoval.OfOptimizers(home, lease, smaller, cancellationToken);
            if (parsed.GetValue(_leftOver))
                CopyRemoval.OfLeftOver(home, lease, leftOver, cancellationToken);
        }
        else if (yes)
            CopyRemoval.OfFolder(listing.Root, removed, cancellationToken);
        var result = new PruneResult(
            listing.Root, policy.Describe, good.Name, yes, [.. plan.Select(step => new PruneRow(step.Name, step.Step, step.Bytes, step.IsRemoved, Why(step, listing.Best)) { Metric = metric is not null && PrunePlan.MetricsOf(step.Copies).TryGetValue(metric, out double value) ? value : null, Dropped = step.BytesDropped > 0 ? step.BytesDropped : null })], freed)
        {
            Best = listing.Best,
            LeftOver = Listing.LeftOver.Rows(leftOver),
        };
        screen.Show(result, JsonTypes.Default.PruneResult, shown => Render(screen, shown));
        return ExitCode.Good;
    }

    private static string? Why(PrunedStep step, BestCheckpoint? best) =>
        best is not null && step is { IsRemoved: false } && step.Step == best.Step && step.Why is not null ? $"the best by {(best.HigherIsBetter ? "highest" : "lowest")} {best.Metric}, {Units.Number(best.Value)}" : step.Why;

    private CopyListing Read(ParseResult parsed)
    {
        string path = parsed.GetValue(_run)!;
        CopyListing listing = CopyListing.Read(path);
        if (listing.IsOne)
            throw new WrongUseException($"{path} is one checkpoint. Give the folder that it is in: cairn prune {PlacePath.Parent(CopyListing.FullPath(path))}");
        if (parsed.GetValue(_best) is null)
            return listing;
        if (!listing.Copies.Any(copy => copy.Entry?.Marker is { IsDerived: false }))
            throw new WrongUseException("--keep-best needs metrics, and only checkpoints of Cairn record them. Use --keep-last or --keep-every.");
        string[] known = [.. listing.Copies.SelectMany(copy => PrunePlan.MetricsOf([copy]).Keys).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        return parsed.GetValue(_metric) is not { } metric || known.Contains(metric, StringComparer.Ordinal) ? listing : throw new WrongUseException(
            $"No checkpoint in {path} has a metric '{metric}', so none can be called the best, and nothing is removed. {(known.Length == 0 ? "The run recorded no metrics." : $"The run recorded: {string.Join(", ", known)}.")}");
    }

    private IRetentionPolicy Policy(ParseResult parsed)
    {
        var options = new CheckpointOptions
        {
            KeepLast = parsed.GetValue(_last),
            KeepEvery = parsed.GetValue(_every),
            KeepBest = parsed.GetValue(_best),
            KeepBestMetric = parsed.GetValue(_metric),
            KeepBestHigher = parsed.GetValue(_higher),
            KeepWithinBytes = parsed.GetValue(_within),
            KeepEach = parsed.GetValue(_each),
            KeepSpread = parsed.GetValue(_spread),
        };
        if (!options.HasKeepRule && !parsed.GetValue(_incomplete) && !parsed.GetValue(_weightsOnly) && !parsed.GetValue(_leftOver))
            throw new WrongUseException("Say what to keep: --keep-last, --keep-every, --keep-each, --keep-spread, --keep-best, --within-bytes, --weights-only or --left-over. Example: " + Example);
        try
        {
            return options.CreateRetention();
        }
        catch (ArgumentException e)
        {
            // What the exception adds is for programmers.
            throw new WrongUseException(e.Message.Split(" (Parameter")[0]);
        }
    }

    private int? KeepOptimizer(ParseResult parsed) => parsed.GetValue(_keepOptimizer) switch
    {
        not null when !parsed.GetValue(_weightsOnly) => throw new WrongUseException("--keep-optimizer is for --weights-only."),
        < 2 => throw new WrongUseException("--keep-optimizer must be at least 2: with fewer, nothing is left to resume from when the newest checkpoint turns out to be unreadable."),
        var keep => parsed.GetValue(_weightsOnly) ? keep ?? 2 : null,
    };

    // What stays is read to its end before anything is removed beside it.
    private static ListedCopy NewestGood(Screen screen, CopyListing listing, CancellationToken cancellationToken)
    {
        ListedCopy[] candidates = [.. listing.Copies.Where(copy => copy is { Fault: null, IsLeftBehind: false, WeightsOnly: null, Step: not null })];
        if (candidates.Length > 0)
        {
            using var progress = new ProgressLine(screen, "verify", candidates[0].Bytes);
            var verifier = new CopyVerifier(listing.Root, progress.Add);
            foreach (ListedCopy copy in candidates)
            {
                if (verifier.Verify(copy, cancellationToken).IsGood)
                    return copy;
            }
        }
        throw new CheckpointException($"{listing.Root} holds no good copy, so nothing is removed. Try: cairn ls {listing.Root}") { Path = listing.Root };
    }

    private static void Render(Screen screen, PruneResult result)
    {
        screen.Line(Screen.Plain($"keep {result.Rule}"));
        string metric = result.Best is not null || result.Checkpoints.Any(row => row.Metric is not null) ? "metric" : "";
        screen.Table(["step", "name", "size", metric, "", "why"], result.Checkpoints.Select(row => (IReadOnlyList<string>)
        [
            row.Step is { } step ? Units.Plain(step) : "",
            Screen.Plain(row.Name), Units.Bytes(row.Bytes), row.Metric is { } value ? Units.Number(value) : "",
            row.Removed ? screen.Bad(result.Done ? "removed" : "remove") : row.Dropped is not null ? screen.Dim("weights") : screen.Good("keep"),
            row.Dropped is { } dropped ? $"{Units.Bytes(dropped)} of optimizer and the like {(result.Done ? "removed" : "would go")}" : row.Why ?? "",
        ]), 0, 2, 3);
        foreach (LeftOverRow left in result.LeftOver ?? [])
            screen.Line(Screen.Plain($"{(result.Done ? "removed" : "remove")}  {left.Name}, {Units.Bytes(left.Bytes)}: {left.What}"));
        int removed = result.Checkpoints.Count(row => row.Removed);
        int smaller = result.Checkpoints.Count(row => row.Dropped is not null);
        string checkpoints = Units.Of(removed, "checkpoint") + (smaller > 0 ? $" and the optimizers of {Units.Count(smaller)}" : "");
        screen.Line(Screen.Plain(result.Done
            ? $"{checkpoints} removed, {Units.Bytes(result.BytesFreed)} freed. {result.GoodCopy} was read to its end and is good."
            : $"{checkpoints} would be removed, {Units.Bytes(result.BytesFreed)} freed. {result.GoodCopy} was read to its end and is good. Nothing was done; add --yes to do it."));
    }
}
