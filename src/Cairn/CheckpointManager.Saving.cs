using Cairn.Checkpoints;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.State;
using Cairn.Telemetry;

namespace Cairn;

// One save, from the decision to its report.
public sealed partial class CheckpointManager
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(200);

    private SaveReport? Save(Boundary boundary, bool background)
    {
        if (boundary.Save is not { } decision)
            return null;
        long started = _time.GetTimestamp();
        if (boundary.IsDropped)
        {
            _logger.Dropped(Train.Step, _engine.UnderWayStep);
            return Report(new SaveReport { Step = Train.Step, Kind = decision.Kind, Reason = decision.Reason, Outcome = SaveOutcome.Dropped });
        }
        if (boundary.IsBusy)
            CollectUnderWay();
        else
            Report(_engine.Collect());
        SaveReport? report;
        try
        {
            IReadOnlyList<RankPart> share = _ranks.Size == 1 ? LiveWhenFree() : _plan.Share($"{decision.Kind.ToString().ToLowerInvariant()} of step {Train.Step}", LiveWhenFree, Patience);
            report = _engine.Save(share, MarkerOf(decision), started, background, _channel, Patience, LongestSilence);
        }
        // Ranks that are elsewhere, or nowhere, cannot be trained with.
        catch (Exception e) when (e is not (RankTimeoutException or RankOrderException))
        {
            // No memory for the copy, or a part that cannot be captured: this save is lost, not the run.
            report = new SaveReport { Step = Train.Step, Kind = decision.Kind, Reason = decision.Reason, Outcome = SaveOutcome.Failed, Error = e, Stall = _time.GetElapsedTime(started) };
        }
        return Report(report);
    }

    private Marker MarkerOf(SaveDecision decision) => new()
    {
        Step = Train.Step,
        Kind = decision.Kind,
        Reason = decision.Reason,
        Run = _run.Id,
        Lineage = _run.Lineage,
        Parent = Resume.IsFresh ? null : Resume.Step,
        Time = _time.GetUtcNow(),
        Train = Train.CaptureCounters(),
        Files = [],
    };

    private void WarmUp()
    {
        if (_warm)
            return;
        _warm = true;
        try
        {
            // What this rank saves is known from the start, unless its state has grown since.
            if (_ranks.Size == 1)
                _engine.WarmUp(Live());
            else if (_plan.KnownShare(Live()) is { } share)
                _engine.WarmUp(share);
        }
        catch (Exception)
        {
            // A part that cannot be captured, for whatever reason, is reported by the save that needs it.
        }
    }

    private void CollectUnderWay()
    {
        if (_ranks.Size == 1)
            _engine.WaitWhileAlive(LongestSilence);
        else
            WaitForWriters();
        Report(_engine.Collect());
    }

    // All ranks wait for the slowest writer, and tell one another that they are alive. One that hangs is not waited for; its rank says so when the save is planned.
    private void WaitForWriters()
    {
        byte[] verdict;
        do
        {
            _engine.Wait(Beat);
            byte waits = _engine.IsBusy && !_engine.IsSilentFor(LongestSilence) ? (byte)1 : (byte)0;
            verdict = _ranks.Agree($"writers at batch {Train.Batch}", [waits], parts => [parts.Max(part => part.Span[0])], Patience);
        }
        while (verdict[0] != 0);
    }

    // How long a store may give no sign of life: other ranks are waited for a little longer than the first one waits.
    private TimeSpan LongestSilence => _ranks.Size == 1 ? Patience : SaveEngine.LongestSilence(Patience);

    private List<RankPart> LiveWhenFree() => _engine.IsBusy ? throw _engine.Hangs() : Checked();

    // Before anything is written or retired, each rank its own parts.
    private List<RankPart> Checked()
    {
        List<RankPart> live = Live();
        for (int i = 0; i < live.Count; i++)
            _contents.Check(_parts[i], live[i].State, Train.Step);
        return live;
    }

    private List<RankPart> Live()
    {
        var live = new List<RankPart>(_parts.Count);
        foreach (IStatePart part in _parts)
            live.Add(new RankPart(part.Name, part.Scope, part.Capture()));
        return live;
    }

    private SaveReport? Report(SaveReport? report)
    {
        if (report is null)
            return null;
        if (_savesForSignal)
        {
            _savedForSignal.Enqueue(report);
            return report;
        }
        _stall += report.Stall;
        if (report.Outcome == SaveOutcome.Saved)
        {
            _saves++;
            var tier = new SavedTier(report.Step, _clock.Now);
            if (report.Kind == SaveKind.Checkpoint)
                _checkpointTier = tier;
            else
                _snapshotTier = tier;
        }
        else
        {
            _unsaved++;
        }
        _saveJournal.Report(report);
        if (report is { Kind: SaveKind.Checkpoint, Outcome: not SaveOutcome.Saved })
            _commands?.Fail(Train.Step, report);
        SaveEnded?.Invoke(this, report);
        if (report.Outcome != SaveOutcome.Failed || !_options.FailOnError)
            return report;
        _failureThrown = true;
        throw new CheckpointException(
            $"The {report.Kind.ToString().ToLowerInvariant()} of step {report.Step} failed, and FailOnError is set: {report.Error?.Message}", report.Error) { Step = report.Step, Path = _files.Root };
    }
}
