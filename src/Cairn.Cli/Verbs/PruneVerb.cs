using System.CommandLine;
using System.Text.Json.Serialization.Metadata;
using Cairn.Cli.Output;
using Cairn.Commit;
using Cairn.Policies;
using Cairn.Storage;

namespace Cairn.Cli.Verbs;

/// <summary>A checkpoint in <c>cairn prune</c>.</summary>
internal sealed record PruneRow(long Step, long Bytes, bool Removed, string? Why);

/// <summary>The result of <c>cairn prune</c>.</summary>
internal sealed record PruneResult(string Run, string Rule, bool Done, IReadOnlyList<PruneRow> Checkpoints, long BytesWon);

/// <summary><c>cairn prune</c>: get rid of the rest.</summary>
internal sealed class PruneVerb : Verb
{
    private readonly Argument<string> _run = RunArgument();
    private readonly Option<int?> _last = new("--keep-last") { Description = "Keep this many of the newest; at least 2.", HelpName = "number" };
    private readonly Option<long?> _every = new("--keep-every") { Description = "Keep those whose step is a multiple of this.", HelpName = "steps" };
    private readonly Option<int?> _best = new("--keep-best") { Description = "Keep this many of the best by --metric.", HelpName = "number" };
    private readonly Option<string?> _metric = new("--metric") { Description = "A metric that the run recorded (TrainState.Metrics).", HelpName = "name" };
    private readonly Option<bool> _higher = new("--higher-is-better") { Description = "For --metric: a higher value is better." };
    private readonly Option<long?> _within = new("--within-bytes") { Description = "Remove the oldest until all fit into this many bytes.", HelpName = "bytes" };
    private readonly Option<bool> _yes = new("--yes") { Description = "Do it. Without, the plan is shown and nothing is removed." };

    public override JsonTypeInfo Result => JsonTypes.Default.PruneResult;

    protected override string Example => "cairn prune runs/tinylm --keep-last 3 --keep-every 1000 --yes";

    protected override Command Define() =>
        new("prune", "Removes checkpoints that no rule keeps. Never the newest good copy, never what is damaged (it is left for inspection).") { _run, _last, _every, _best, _metric, _higher, _within, _yes };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        var options = new CheckpointOptions
        {
            KeepLast = parsed.GetValue(_last),
            KeepEvery = parsed.GetValue(_every),
            KeepBest = parsed.GetValue(_best),
            KeepBestMetric = parsed.GetValue(_metric),
            KeepBestHigher = parsed.GetValue(_higher),
            KeepWithinBytes = parsed.GetValue(_within),
        };
        if (options is { KeepLast: null, KeepEvery: null, KeepBest: null, KeepWithinBytes: null })
            throw new WrongUseException("Say what to keep: --keep-last, --keep-every, --keep-best or --within-bytes. Example: " + Example);
        IRetentionPolicy policy = Policy(options);
        bool yes = parsed.GetValue(_yes);
        RunView run = RunView.Open(parsed.GetValue(_run)!);
        using RunLock? runLock = yes ? RunLock.Acquire(run.Files, TimeProvider.System) : null;
        // Under the lock the run is read again: nothing may have been saved in between.
        run = RunView.Open(run.Files.Root);
        PruneRow[] rows = Plan(run, policy, cancellationToken);
        if (yes)
        {
            var protocol = new CommitProtocol(run.Files);
            foreach (PruneRow row in rows.Where(row => row.Removed))
            {
                cancellationToken.ThrowIfCancellationRequested();
                protocol.Retire(row.Step);
            }
        }
        var result = new PruneResult(run.Files.Root, policy.Describe, yes, rows, rows.Where(row => row.Removed).Sum(row => row.Bytes));
        screen.Show(result, JsonTypes.Default.PruneResult, shown => Render(screen, shown));
        return ExitCode.Good;
    }

    private static IRetentionPolicy Policy(CheckpointOptions options)
    {
        try
        {
            return options.CreateRetention();
        }
        catch (ArgumentException e)
        {
            throw new WrongUseException(e.Message);
        }
    }

    private static PruneRow[] Plan(RunView run, IRetentionPolicy policy, CancellationToken cancellationToken)
    {
        // What a restart would take is read and hashed before anything is removed beside it.
        CatalogEntry good = run.Choose(verifyHashes: true, cancellationToken).Chosen
            ?? throw new CheckpointException($"{run.Files.Root} holds no good copy, so nothing is removed. Try: cairn ls {run.Files.Root}") { Path = run.Files.Root };
        List<RetainedCheckpoint> known = [];
        foreach (CatalogEntry entry in run.Catalog.Entries)
        {
            if (entry is { Kind: SaveKind.Checkpoint, Marker: { } marker })
                known.Add(new RetainedCheckpoint(entry.Step, marker.Files.Sum(file => file.Length), new Dictionary<string, double>(TrainState.FromState(marker.Train).Metrics, StringComparer.Ordinal), run.IsOnLine(marker), marker.Time));
        }
        HashSet<long> removed = [.. RetentionPlan.Decide(policy, known, new HashSet<long> { good.Step })];
        return
        [
            .. known.OrderBy(checkpoint => checkpoint.Step).Select(checkpoint => new PruneRow(
                checkpoint.Step, checkpoint.Bytes, removed.Contains(checkpoint.Step),
                removed.Contains(checkpoint.Step) ? null : checkpoint.Step == good.Step ? "a restart takes it" : checkpoint.IsComplete ? "kept by rule" : "of a line that was left")),
        ];
    }

    private static void Render(Screen screen, PruneResult result)
    {
        screen.Line(Screen.Plain($"keep {result.Rule}"));
        screen.Table(["step", "size", "", "why"], result.Checkpoints.Select(row => (IReadOnlyList<string>)
            [Units.Plain(row.Step), Units.Bytes(row.Bytes), row.Removed ? screen.Bad(result.Done ? "removed" : "remove") : screen.Good("keep"), row.Why ?? ""]), 0, 1);
        int removed = result.Checkpoints.Count(row => row.Removed);
        screen.Line(Screen.Plain(result.Done
            ? $"{removed} checkpoints removed, {Units.Bytes(result.BytesWon)} won."
            : $"{removed} checkpoints would be removed, {Units.Bytes(result.BytesWon)} won. Nothing was done; add --yes to do it."));
    }
}
