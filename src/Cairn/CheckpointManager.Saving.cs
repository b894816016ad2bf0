using Cairn.Commit;
using Cairn.Policies;
using Cairn.State;
using Cairn.Telemetry;

namespace Cairn;

// One save, from the decision to its report.
public sealed partial class CheckpointManager
{
    private SaveDecision? Decide(SaveRequests requests)
    {
        if (!_options.Enabled)
            return null;
        // A save under way counts as made: the step must not be saved twice while it stands still.
        SavedTier checkpoint = UnderWay(SaveKind.Checkpoint, _checkpointTier), snapshot = UnderWay(SaveKind.Snapshot, _snapshotTier);
        return _schedule.Decide(new SaveSituation(Train.Step, _previousStep, _time.GetUtcNow(), checkpoint, snapshot, requests));
    }

    private SavedTier UnderWay(SaveKind kind, SavedTier tier) =>
        _engine.UnderWay?.Kind == kind ? tier with { LastStep = _engine.UnderWayStep } : tier;

    private SaveReport? Save(SaveDecision decision, bool background)
    {
        long started = _time.GetTimestamp();
        if (_engine.IsBusy && decision.Kind == SaveKind.Snapshot)
        {
            _logger.Dropped(Train.Step, _engine.UnderWayStep);
            return Report(new SaveReport { Step = Train.Step, Kind = decision.Kind, Reason = decision.Reason, Outcome = SaveOutcome.Dropped });
        }
        CollectUnderWay();
        SaveReport? report;
        try
        {
            report = _engine.Save(Live(), MarkerOf(decision), started, background);
        }
        catch (Exception e)
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
        Train = Train.Capture(),
        Files = [],
    };

    private void WarmUp()
    {
        if (_warm)
            return;
        _warm = true;
        try
        {
            _engine.WarmUp(Live());
        }
        catch (CheckpointException)
        {
            // A part that cannot be captured is reported by the save that needs it.
        }
    }

    private void CollectUnderWay()
    {
        _engine.Wait();
        Report(_engine.Collect());
    }

    private List<(string, StateMap)> Live()
    {
        var live = new List<(string, StateMap)>(_parts.Count);
        foreach (IStatePart part in _parts)
            live.Add((part.Name, part.Capture()));
        return live;
    }

    private SaveReport? Report(SaveReport? report)
    {
        if (report is null)
            return null;
        _stall += report.Stall;
        if (report.Outcome == SaveOutcome.Saved)
        {
            _saves++;
            var tier = new SavedTier(report.Step, _time.GetUtcNow());
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
            _commands.Fail(Train.Step, report);
        SaveEnded?.Invoke(this, report);
        return report.Outcome == SaveOutcome.Failed && _options.FailOnError
            ? throw new CheckpointException($"The {report.Kind.ToString().ToLowerInvariant()} of step {report.Step} failed, and FailOnError is set: {report.Error?.Message}", report.Error) { Step = report.Step, Path = _files.Root }
            : report;
    }
}
