using System.Diagnostics;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.Starting;
using Cairn.Stopping;
using Cairn.Telemetry;
using Cairn.Tiers;

namespace Cairn.Running;

/// <summary>Decides what to save and whether to stop, once for all ranks: the first rank decides from what all of them bring.</summary>
internal sealed class BatchDecisions(
    StartedRun run, RunRequests requests, OperatorRequests? operators, SaveSchedule schedule, SavedTiers tiers, SaveEngine engine, BatchWatch batch, RunPatience patience, SteadyClock clock, Drain? drain, BestTracker best, RunSaver saver)
{
    private readonly RankGroup _ranks = run.Ranks;
    private readonly TrainState _train = run.Train;
    private long _previousStep = run.Train.Step;
    private readonly SnapshotPacing? _pacing = run is { Ranks.IsFirst: true, Options.SnapshotsAreContinuous: true } ? new SnapshotPacing(run.Options.SnapshotStallBudget, clock.Now, run.Train.Step) : null;
    private bool _savePending, _policyFailed;
    private int _channelNumber, _drainChannelNumber;

    /// <summary>The channel on which the ranks commit the save that was decided last.</summary>
    public RankGroup Channel { get; private set; } = run.Ranks;

    /// <summary>The channel on which the ranks bring a copy to the home.</summary>
    public RankGroup DrainChannel { get; private set; } = run.Ranks;

    /// <summary>Whether training was seen to end: what is trained after that is saved as before.</summary>
    public bool EndSeen { get; set; }

    /// <summary>Whether the run was told to stop; in a job, once all ranks have heard of it.</summary>
    public bool StopRequested => _ranks.Size == 1 ? requests.Stop || requests.Signalled || operators is { Stop: true } : requests.StopAgreed || requests.SignalAgreed;

    /// <summary>Decides, together with the other ranks.</summary>
    public BatchDecision At(DecisionPoint point)
    {
        BatchRequests own = new(requests.Stop, requests.Signalled, requests.TakeSave(), engine.Writer.IsBusy, requests.Signalled ? requests.SinceSignal : TimeSpan.Zero,
            point == DecisionPoint.Poll && !batch.IsAtBoundary, drain is { Writer.IsBusy: true }, engine.IsOccupied, saver.Stall);
        BatchDecision decision;
        if (_ranks.Size == 1)
        {
            decision = Decide(point, own);
        }
        else
        {
            byte[] answer = _ranks.Agree(NameOf(point), RankMessages.Write(own.Write),
                parts => RankMessages.Write(Decide(point, BatchRequests.Of(parts.Select(part => RankMessages.Read(part, BatchRequests.Read)))).Write), patience.Longest);
            decision = RankMessages.Read(answer, BatchDecision.Read);
        }
        requests.Agreed(decision.Stop, decision.Signal, decision.SinceSignal);
        if (decision.Save is not null && decision.Channel != _channelNumber)
            (_channelNumber, Channel) = (decision.Channel, _ranks.Channel(decision.Channel));
        if (decision.Drain is not null && decision.DrainChannel != _drainChannelNumber)
            (_drainChannelNumber, DrainChannel) = (decision.DrainChannel, _ranks.Channel(decision.DrainChannel));
        return decision;
    }

    /// <summary>A batch is over, and what was decided for it is done.</summary>
    public void BatchEnded()
    {
        _previousStep = _train.Step;
        if (_ranks.IsFirst && best.Lateness() is { } late)
            run.Logger.OptionWarning(late);
    }

    /// <summary>What the ranks call a point, the same on all of them.</summary>
    public string NameOf(DecisionPoint point) => point switch
    {
        DecisionPoint.Batch => $"end of batch {_train.Batch}",
        DecisionPoint.Poll => $"poll after batch {_train.Batch}",
        DecisionPoint.End => $"end of training at batch {_train.Batch}",
        DecisionPoint.Drain => $"what is left for the home at batch {_train.Batch}",
        _ => $"completion at batch {_train.Batch}",
    };

    // Called on the first rank alone.
    private BatchDecision Decide(DecisionPoint point, BatchRequests asked)
    {
        _savePending |= asked.Save;
        _savePending |= operators is not null && operators.Hear(_train.Step, takesCommands: !run.IsLost);
        bool stop = asked.Stop || operators is { Stop: true }, ends = stop || asked.Signal || _train.IsComplete;
        SaveRequests wanted = (_savePending ? SaveRequests.Manual : SaveRequests.None)
            | (stop ? SaveRequests.Stop : SaveRequests.None) | (asked.Signal ? SaveRequests.Signal : SaveRequests.None);
        SnapshotPace pace = _pacing?.At(clock.Now, _train.Step, asked.Stall, asked.IsOccupied, tiers.Newest) ?? default;
        double? improvement = best.Improvement();
        SaveRequests improved = improvement is null ? SaveRequests.None : SaveRequests.Best;
        SaveDecision? save = null;
        switch (point)
        {
            case DecisionPoint.Batch when !ends || EndSeen:
                save = Scheduled(wanted & SaveRequests.Manual | improved, pace);
                break;
            case DecisionPoint.Poll when (stop || asked.Signal) && !asked.Unfinished:
                save = Scheduled(wanted);
                break;
            case DecisionPoint.End:
                save = Scheduled(wanted | improved | (_train.IsComplete ? SaveRequests.Final : SaveRequests.None));
                break;
            case DecisionPoint.Completion:
                save = Scheduled(wanted | (stop || asked.Signal ? SaveRequests.None : SaveRequests.Final));
                break;
        }
        // At the end of training a save that was asked for is left to the decision that follows, once the save under way is over.
        if (point is DecisionPoint.End or DecisionPoint.Completion || (point == DecisionPoint.Batch && (!ends || EndSeen)))
            _savePending = false;
        if (save is { Kind: var kind } && !(asked.IsBusy && kind == SaveKind.Snapshot))
            _pacing?.Begin(clock.Now, _train.Step);
        // A checkpoint that finds no place waits for what goes home: a home that refused is asked again.
        TieredCopy? next = run.Options.Enabled && !asked.IsDraining ? run.Fast?.Copies.TakeNext(now: point == DecisionPoint.Drain || save is { Kind: SaveKind.Checkpoint } && run.Fast.Copies.IsFull) : null;
        int channel = _channelNumber, drainChannel = _drainChannelNumber;
        if (save is not null && _ranks.Size > 1 && (channel == 0 || engine.WasDisturbed))
        {
            engine.WasDisturbed = false;
            channel = _ranks.UnusedChannel();
        }
        if (next is not null && _ranks.Size > 1 && (drainChannel == 0 || drain!.WasDisturbed))
        {
            drain!.WasDisturbed = false;
            drainChannel = _ranks.UnusedChannel();
        }
        return new BatchDecision(ends, stop, asked.Signal, asked.SinceSignal, save, asked.IsBusy, channel, next, drainChannel, run.Fast is { Copies.Left: 0 },
            save is { Kind: SaveKind.Checkpoint } ? improvement : null) { TraceParent = Activity.Current?.Id };
    }

    private SaveDecision? Scheduled(SaveRequests wanted, SnapshotPace pace = default)
    {
        if (!run.Options.Enabled)
            return null;
        // A save under way counts as made, unless its store hangs: the step must not be saved twice while it stands still.
        SavedTier checkpoint = UnderWay(SaveKind.Checkpoint, tiers.Checkpoint), snapshot = UnderWay(SaveKind.Snapshot, tiers.Snapshot);
        try
        {
            return schedule.Decide(new SaveSituation(_train.Step, _previousStep, clock.Now, checkpoint, snapshot, wanted) { Pace = pace, LastStep = _train.TotalSteps });
        }
        // A rule of the user's: what it says of a batch is not worth the job. What was asked for, and the end, is saved whatever it says.
        catch (Exception e)
        {
            if (!_policyFailed)
                run.Logger.PolicyFailed(e, _train.Step);
            _policyFailed = true;
            return null;
        }
    }

    private SavedTier UnderWay(SaveKind kind, SavedTier tier) =>
        engine.Writer.UnderWay?.Kind == kind && !engine.Writer.IsSilentFor(patience.LongestSilence) ? tier with { LastStep = engine.Writer.UnderWayStep } : tier;
}
