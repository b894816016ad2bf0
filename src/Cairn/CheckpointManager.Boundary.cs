using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Stopping;
using Cairn.Telemetry;

namespace Cairn;

// The end of a batch: what is asked for, on any rank, and what all ranks do about it.
public sealed partial class CheckpointManager
{
    private enum Moment { Batch, Poll, End, Completion }

    private static readonly TimeSpan LeastPatience = TimeSpan.FromSeconds(1);

    // What was agreed on at the last boundary. In a job nothing else counts: a rank that stopped alone would leave the others waiting.
    private bool _stopAgreed, _signalAgreed, _savePending;
    // When the first signal came, here or elsewhere; 0 before that.
    private long _signalAt;
    private int _channelNumber;
    private RankGroup _channel;

    private Boundary Meet(Moment moment)
    {
        Wishes own = new(_stopRequested, _signalled, _saveRequested, _engine.IsBusy, _signalled ? SinceSignal : TimeSpan.Zero, moment == Moment.Poll && !_batch.IsAtBoundary);
        if (own.Save)
            _saveRequested = false;
        Boundary boundary;
        if (_ranks.Size == 1)
        {
            boundary = Decide(moment, own);
        }
        else
        {
            byte[] decision = _ranks.Agree(NameOf(moment), RankMessages.Write(own.Write),
                parts => RankMessages.Write(Decide(moment, Wishes.Of(parts.Select(part => RankMessages.Read(part, Wishes.Read)))).Write), Patience);
            boundary = RankMessages.Read(decision, Boundary.Read);
        }
        (_stopAgreed, _signalAgreed) = (boundary.Stop, boundary.Signal);
        if (boundary.Signal)
            _ = Interlocked.CompareExchange(ref _signalAt, _time.GetTimestamp() - (long)(boundary.SinceSignal.TotalSeconds * _time.TimestampFrequency), 0);
        if (boundary.Save is not null && boundary.Channel != _channelNumber)
            (_channelNumber, _channel) = (boundary.Channel, _ranks.Channel(boundary.Channel));
        return boundary;
    }

    private string NameOf(Moment moment) => moment switch
    {
        Moment.Batch => $"end of batch {Train.Batch}",
        Moment.Poll => $"poll after batch {Train.Batch}",
        Moment.End => $"end of training at batch {Train.Batch}",
        _ => $"completion at batch {Train.Batch}",
    };

    // How long to wait for other ranks, or for a store that gives no sign of life: what is left of the time to stop, once a signal was heard.
    private TimeSpan Patience
    {
        get
        {
            TimeSpan longest = _ranks.Size == 1 ? _options.StoreTimeout : _options.RankTimeout;
            if (!_signalAgreed || _options.StopGrace is not { } grace)
                return longest;
            TimeSpan left = grace - SinceSignal;
            return left < LeastPatience ? LeastPatience : left < longest ? left : longest;
        }
    }

    private TimeSpan SinceSignal => Interlocked.Read(ref _signalAt) is not 0 and long at ? _time.GetElapsedTime(at) : TimeSpan.Zero;

    // Called on the first rank alone.
    private Boundary Decide(Moment moment, Wishes wishes)
    {
        _savePending |= wishes.Save;
        Listen();
        bool stop = wishes.Stop || _stopByFile, ends = stop || wishes.Signal || Train.IsComplete;
        SaveRequests requests = (_savePending ? SaveRequests.Manual : SaveRequests.None)
            | (stop ? SaveRequests.Stop : SaveRequests.None) | (wishes.Signal ? SaveRequests.Signal : SaveRequests.None);
        SaveDecision? decision = null;
        switch (moment)
        {
            case Moment.Batch when !ends || _endSeen:
                decision = Decide(requests & SaveRequests.Manual);
                break;
            case Moment.Poll when (stop || wishes.Signal) && !wishes.Unfinished:
                decision = Decide(requests);
                break;
            case Moment.End:
                decision = Decide(requests | (Train.IsComplete ? SaveRequests.Final : SaveRequests.None));
                break;
            case Moment.Completion:
                decision = Decide(requests | (stop || wishes.Signal ? SaveRequests.None : SaveRequests.Final));
                break;
        }
        // At the end of training the wish is kept for the decision that follows, once the save under way is over.
        if (moment is Moment.End or Moment.Completion || (moment == Moment.Batch && (!ends || _endSeen)))
            _savePending = false;
        int channel = _channelNumber;
        if (decision is not null && _ranks.Size > 1 && (channel == 0 || _engine.WasDisturbed))
        {
            _engine.WasDisturbed = false;
            channel = _ranks.UnusedChannel();
        }
        return new Boundary(ends, stop, wishes.Signal, wishes.SinceSignal, decision, wishes.IsBusy, channel);
    }

    private SaveDecision? Decide(SaveRequests requests)
    {
        if (!_options.Enabled)
            return null;
        // A save under way counts as made, unless its store hangs: the step must not be saved twice while it stands still.
        SavedTier checkpoint = UnderWay(SaveKind.Checkpoint, _checkpointTier), snapshot = UnderWay(SaveKind.Snapshot, _snapshotTier);
        return _schedule.Decide(new SaveSituation(Train.Step, _previousStep, _clock.Now, checkpoint, snapshot, requests));
    }

    private SavedTier UnderWay(SaveKind kind, SavedTier tier) =>
        _engine.UnderWay?.Kind == kind && !_engine.IsSilentFor(LongestSilence) ? tier with { LastStep = _engine.UnderWayStep } : tier;

    // The operator's files, which the first rank reads.
    private void Listen()
    {
        if (_commands is not null && _lock is not { IsLost: true })
        {
            (bool save, bool stop) = _commands.Due(Train.Step, _options.Enabled);
            _savePending |= save;
            _stopByFile |= stop;
        }
        if (_watch?.StopFile is { } command)
        {
            // The first that is seen may be left over from before the start.
            _stopFile = (_stopFile ?? StopFileState.AtStart(Resume.Step, command)).Decide(Train.Step, command, out StopVerdict verdict);
            if (verdict.Problem is { } problem)
                _logger.StopFileProblem(problem);
            _savePending |= verdict.Save && !verdict.Stop;
            _stopByFile |= verdict.Stop;
        }
    }
}
