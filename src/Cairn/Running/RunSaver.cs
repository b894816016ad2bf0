using Cairn.Checkpoints;
using Cairn.Journal;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.Starting;
using Cairn.State;
using Cairn.Stopping;

namespace Cairn.Running;

/// <summary>Saves what was decided, and takes the reports of saves that have ended. Belongs to the training thread, but for <see cref="Deferred"/>.</summary>
internal sealed class RunSaver(
    StartedRun run, SaveEngine engine, SavedTiers tiers, RunPatience patience, SaveJournal journal, OperatorRequests? operators, BestTracker best, Action<SaveReport> ended)
{
    private readonly RankGroup _ranks = run.Ranks;
    private readonly TrainState _train = run.Train;
    // Reports that the training thread has not heard yet.
    private readonly Queue<SaveReport> _deferred = [];
    private bool _warm, _defers;

    /// <summary>Saves that are durable.</summary>
    public int Saves { get; private set; }

    /// <summary>Saves that were left out, refused or failed.</summary>
    public int Unsaved { get; private set; }

    /// <summary>Of these, snapshots that were left out because the save before was still being written.</summary>
    public int Dropped { get; private set; }

    /// <summary>Of these, snapshots whose weights held NaN or infinity.</summary>
    public int Refused { get; private set; }

    /// <summary>For how long training has waited.</summary>
    public TimeSpan Stall { get; private set; }

    /// <summary>Whether the program was given the error of a failed save since this was last set to <see langword="false"/>.</summary>
    public bool HasThrown { get; set; }

    /// <summary>Carries out a decision.</summary>
    /// <param name="decision">What all ranks do.</param>
    /// <param name="channel">The channel on which they commit.</param>
    /// <param name="background">Whether training may go on while it is written.</param>
    /// <returns>The report; <see langword="null"/> when nothing was to be saved, or the report comes later.</returns>
    /// <exception cref="CheckpointException">The save failed and <see cref="CheckpointOptions.FailOnError"/> is set.</exception>
    public SaveReport? Save(BatchDecision decision, RankGroup channel, bool background)
    {
        if (decision.Save is not { } save)
            return null;
        long started = run.Time.GetTimestamp();
        if (decision.IsDropped)
        {
            journal.Drop(_train.Step, engine.Writer.UnderWayStep);
            return Report(new SaveReport { Step = _train.Step, Kind = save.Kind, Reason = save.Reason, Outcome = SaveOutcome.Dropped });
        }
        if (decision.IsBusy)
            CollectUnderWay();
        else
            Collect();
        SaveReport? report;
        try
        {
            IReadOnlyList<RankPart> own = _ranks.Size == 1 ? LiveWhenFree() : run.Plan.Assign($"{save.Kind.ToString().ToLowerInvariant()} of step {_train.Step}", LiveWhenFree, patience.Longest);
            report = engine.Save(own, MarkerOf(save, decision.Best), started, background, channel, patience.Longest, patience.LongestSilence, decision.TraceParent);
        }
        // Ranks that are elsewhere, or nowhere, cannot be trained with.
        catch (Exception e) when (e is not (RankTimeoutException or RankOrderException))
        {
            // No memory for the copy, or a part that cannot be captured: this save is lost, not the run.
            report = new SaveReport { Step = _train.Step, Kind = save.Kind, Reason = save.Reason, Outcome = SaveOutcome.Failed, Error = e, Stall = run.Time.GetElapsedTime(started) };
        }
        return Report(report);
    }

    /// <summary>Makes ready what the first save needs, once.</summary>
    public void WarmUp()
    {
        if (_warm)
            return;
        _warm = true;
        try
        {
            // What this rank saves is known from the start, unless its state has grown since.
            if (_ranks.Size == 1)
                engine.WarmUp(Live());
            else if (run.Plan.Known(Live()) is { } own)
                engine.WarmUp(own);
        }
        catch (Exception)
        {
            // A part that cannot be captured, for whatever reason, is reported by the save that needs it.
        }
    }

    /// <summary>Takes the report of a save that has ended, if one has.</summary>
    public void Collect() => Report(engine.Writer.Collect());

    /// <summary>Waits for the save under way and takes its report.</summary>
    public void CollectUnderWay()
    {
        // One that hangs: its rank says so when the save is planned.
        patience.WaitFor(engine.Writer, $"writers at batch {_train.Batch}");
        Collect();
    }

    /// <summary>Saves on a thread that is not the training thread, which hears the reports at its next call.</summary>
    public void Deferred(Action save)
    {
        _defers = true;
        try
        {
            save();
        }
        finally
        {
            _defers = false;
        }
    }

    /// <summary>Whether reports wait for the training thread.</summary>
    public bool HasDeferred => _deferred.Count > 0;

    /// <summary>Takes the reports that have waited for the training thread.</summary>
    public void CollectDeferred()
    {
        while (_deferred.TryDequeue(out SaveReport? saved))
            Report(saved);
    }

    private List<RankPart> LiveWhenFree() => engine.Writer.IsBusy ? throw engine.Writer.Hangs() : Checked();

    // Before anything is written or retired, each rank its own parts.
    private List<RankPart> Checked()
    {
        List<RankPart> live = Live();
        for (int i = 0; i < live.Count; i++)
            run.Contents.Check(run.Parts[i], live[i].State, _train.Step);
        return live;
    }

    private List<RankPart> Live() => RankPart.Capture(run.Parts);

    private Marker MarkerOf(SaveDecision save, double? improvement) => new()
    {
        Step = _train.Step,
        Kind = save.Kind,
        Reason = save.Reason,
        Run = run.Record.Id,
        Lineage = run.Record.Lineage,
        Parent = run.Resume.IsFresh ? null : run.Resume.Step,
        Time = run.Time.GetUtcNow(),
        Train = _train.CaptureCounters(),
        Best = best.Begin(improvement),
        Files = [],
    };

    /// <summary>Takes the report of a save or a drain that has ended.</summary>
    /// <exception cref="CheckpointException">It failed and <see cref="CheckpointOptions.FailOnError"/> is set.</exception>
    public SaveReport? Report(SaveReport? report)
    {
        if (report is null)
            return null;
        if (_defers)
        {
            _deferred.Enqueue(report);
            return report;
        }
        Stall += report.Stall;
        best.Ended(report);
        if (report.IsComplete)
        {
            // What becomes durable was counted when it became recoverable, maybe by an earlier process.
            if (!report.IsDrained)
                Saves++;
            tiers.Add(report.Kind, report.Step, isDurable: report.Outcome == SaveOutcome.Saved);
            if (report.Outcome == SaveOutcome.Saved)
                run.Fast?.Copies.Saved(report.Step);
        }
        else if (!report.IsDrained || report.IsLost)
        {
            Unsaved++;
            Dropped += report.Outcome == SaveOutcome.Dropped ? 1 : 0;
            Refused += report.Outcome == SaveOutcome.Refused ? 1 : 0;
            if (report.IsLost)
                tiers.Lose(report.Kind, report.Step);
        }
        journal.Report(report);
        if (report is { Kind: SaveKind.Checkpoint, IsComplete: false })
            operators?.Fail(_train.Step, report);
        ended(report);
        if (report.Outcome != SaveOutcome.Failed || !run.Options.FailOnError)
            return report;
        HasThrown = true;
        throw new CheckpointException(
            $"The {report.Kind.ToString().ToLowerInvariant()} of step {report.Step} failed, and FailOnError is set: {report.Error?.Message}", report.Error) { Step = report.Step, Path = run.Home.Files.Root };
    }
}
