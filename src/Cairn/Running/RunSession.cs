using Cairn.Journal;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.Starting;
using Cairn.Stopping;
using Cairn.Stores;
using Cairn.Telemetry;
using Cairn.Tiers;
using Microsoft.Extensions.Logging;

namespace Cairn.Running;

/// <summary>A run from its start to its end in this process: what <see cref="CheckpointManager"/> promises, made of the parts that do it. Belongs to the training thread, but for <see cref="Requests"/> and <see cref="Signal"/>.</summary>
internal sealed class RunSession : IDisposable
{
    private static readonly TimeSpan LongestErrand = TimeSpan.FromSeconds(5);

    private readonly object _owner;
    // What training itself reads and writes on the way.
    private readonly PatientFiles _files;
    private readonly BatchJournal _batches;
    private readonly SaveEngine _engine;
    private readonly OperatorRequests? _operators;
    private readonly BatchWatch _batch;
    private readonly RunPatience _patience;
    private readonly SavedTiers _tiers;
    private readonly BatchDecisions _decisions;
    private readonly RunSaver _saver;
    private readonly SignalSaver _signalSaver;
    private readonly Drain? _drainer;
    private readonly RunDrain _drain;
    private readonly RunEnding _ending;
    private readonly CaptureEnding _capture;
    private readonly StopSignals? _signals;
    private bool _disposed;

    /// <param name="run">What the start has found out.</param>
    /// <param name="owner">Whom errors name.</param>
    public RunSession(StartedRun run, object owner)
    {
        (Run, _owner) = (run, owner);
        (CheckpointOptions options, TimeProvider time, ILogger logger) = (run.Options, run.Time, run.Logger);
        var clock = new SteadyClock(time);
        SaveSchedule schedule = options.CreateSchedule();
        _files = new PatientFiles(run.Home.Files, options.StoreTimeout < LongestErrand ? options.StoreTimeout : LongestErrand);
        // What is far is written behind; the thread on which that is done must not wait for itself.
        RunJournal journal = run.Home.IsFar ? new(run.Home.Files, time, logger, run.Ranks.IsFirst, _files.Later) : new(_files, time, logger, run.Ranks.IsFirst);
        _batches = new BatchJournal(journal, Train, run.Fast?.Root, new BatchMetrics(journal, Train, time, run.Home.IsFar));
        _engine = new SaveEngine(run.Home, options, time, run.Ranks, run.Lease, run.Fast);
        if (run.Fast is { } fast)
        {
            _drainer = new Drain(fast, run.Home, run.Lease, LineView.Of(run.Record), options, time);
            fast.DrainSilence = () => _drainer.Silence;
            fast.Bring = _drainer.BringAside;
        }
        _operators = run.Ranks.IsFirst ? new OperatorRequests(run.Home.Files, options, run.Resume.Step, journal, time, logger) : null;
        _batch = new BatchWatch(Train, run.Parts);
        _capture = new CaptureEnding(_engine, _batch);
        Requests = new RunRequests(time);
        _patience = new RunPatience(options, run.Ranks, Requests);
        _tiers = new SavedTiers(run, clock);
        _decisions = new BatchDecisions(run, Requests, _operators, schedule, _tiers, _engine, _batch, _patience, clock, _drainer);
        _saver = new RunSaver(run, _engine, _tiers, _patience, new SaveJournal(journal, logger), _operators, Raise);
        _drain = new RunDrain(run, _drainer, _decisions, _saver, _patience);
        _signalSaver = new SignalSaver(Requests, _decisions, _saver, _drain, _engine.Writer, _batch, _patience, isAlone: run.Ranks.Size == 1);
        _ending = new RunEnding(run, _decisions, _saver, _drain, _tiers, _batch, _operators, _batches, _files, Raise);
        if (run.Record.Finished?.At(Train, run.Record.Lineage) is { } reason)
            Train.Finish(reason);
        if (run.Ranks.IsFirst && options is { Enabled: true, RetentionMetric: { } metric } && UnmeasuredCheckpoints.AtStart(Train, metric) is { } warning)
            logger.OptionWarning(warning);
        try
        {
            StartAnnouncement.Make(run, journal, schedule);
            _operators?.Start();
        }
        catch
        {
            Release();
            throw;
        }
        // Last, when nothing can fail any more: a process that holds a signal back must be there to answer it.
        AppDomain.CurrentDomain.ProcessExit += WaitAtExit;
        if (options.HandleSignals)
            _signals = new StopSignals(Signal);
    }

    /// <summary>What the start has found out.</summary>
    public StartedRun Run { get; }

    /// <summary>What the program and the system ask for.</summary>
    public RunRequests Requests { get; }

    public TrainState Train => Run.Train;

    public long? LastCheckpoint => _tiers.DurableCheckpoint;

    public long? LastSnapshot => _tiers.DurableSnapshot;

    public long? LastRecoverable => _tiers.Newest is > 0 and long step ? step : null;

    public bool StopRequested => _decisions.StopRequested;

    public bool IsSaving => _engine.Writer.IsBusy;

    /// <summary>Whether a copy is being brought from the fast folder to the home.</summary>
    public bool IsDraining => _drainer is { Writer.IsBusy: true };

    /// <summary>Whether training goes on. Alone, a request counts at once; of many ranks, all hear of it at the end of the same batch.</summary>
    public bool GoesOn
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, _owner);
            return !Train.IsComplete && !StopRequested;
        }
    }

    /// <summary>Raised on the training thread, by the call after a save ended.</summary>
    public event Action<SaveReport>? SaveEnded;

    public void AcceptSmallerPart(string part)
    {
        Enter();
        if (Run.Parts.All(known => known.Name != part))
            throw new ArgumentException($"There is no part '{part}'. The parts are: {string.Join(", ", Run.Parts.Select(known => known.Name))}.", nameof(part));
        Run.Contents.Forget(part);
    }

    public void BeginBatch()
    {
        Enter();
        _batch.Begin();
    }

    public void BeforeUpdate()
    {
        Enter();
        _engine.FinishCapture();
    }

    public bool AfterBatch()
    {
        Enter();
        _capture.AfterBatch();
        _ending.Reopen();
        _batch.MarkBoundary();
        _saver.HasThrown = false;
        return WithRanks(EndBatch);
    }

    private bool EndBatch()
    {
        _batches.Skips();
        // Where the run stands is said by whoever writes it.
        if (!Run.IsLost)
            _batches.Progress(_tiers.Recoverable);
        _saver.Collect();
        _drain.Collect();
        _saver.WarmUp();
        BatchDecision decision = _drain.Decide(DecisionPoint.Batch);
        // The end is durable before anybody hears of it, once: whoever trains on all the same is saved as before.
        // Should it fail here, Complete tries again.
        bool savesEnd = decision.Ends && !_decisions.EndSeen;
        _ending.Remind(decision.Ends);
        _decisions.EndSeen = decision.Ends;
        if (savesEnd)
        {
            _saver.CollectUnderWay();
            decision = _drain.Decide(DecisionPoint.End);
        }
        _saver.Save(decision, _decisions.Channel, background: Run.Options.Asynchronous && !savesEnd);
        if (savesEnd)
            _drain.Finish();
        // A part may look anew at what it holds when it is captured.
        _batch.RefreshMarks();
        _operators?.Settle(Train.Step, LastCheckpoint);
        _decisions.BatchEnded();
        if (savesEnd)
            _ending.Record();
        return !decision.Ends;
    }

    public bool Poll()
    {
        Enter();
        _capture.AtRest();
        return WithRanks(() =>
        {
            _saver.Collect();
            _drain.Collect();
            BatchDecision decision = _drain.Decide(DecisionPoint.Poll);
            if (decision.Save is not null)
            {
                _saver.CollectUnderWay();
                _saver.Save(decision with { IsBusy = false }, _decisions.Channel, background: false);
                _drain.Finish();
                _batch.RefreshMarks();
                _operators?.Settle(Train.Step, LastCheckpoint);
            }
            _signalSaver.Allow();
            return decision.Stop || decision.Signal;
        });
    }

    public IDisposable BetweenBatches()
    {
        Enter();
        _capture.AtRest();
        return _signalSaver.Begin(() => _disposed);
    }

    /// <summary>Training has ended within a batch.</summary>
    public void GiveUp(string why) => _ending.GiveUp(why);

    public RunSummary Complete()
    {
        Enter();
        _capture.AtEnd();
        try
        {
            return _ending.Complete();
        }
        finally
        {
            _files.Flush();
        }
    }

    /// <summary>Tells the run to stop, as a signal does. From any thread.</summary>
    public void Signal(string signal)
    {
        Requests.Signal();
        Run.Logger.Signalled(signal);
        _signalSaver.SaveNow();
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        try
        {
            End();
        }
        finally
        {
            _disposed = true;
            AppDomain.CurrentDomain.ProcessExit -= WaitAtExit;
            _signals?.Dispose();
            Run.Fast?.Dispose();
            Run.Lease?.Dispose();
            Release();
        }
    }

    private void Release()
    {
        _operators?.Dispose();
        _engine.Dispose();
        _files.Flush();
        _files.Dispose();
    }

    // A listener that throws keeps neither the end from being saved nor the save under way from being waited for.
    private void End()
    {
        try
        {
            Enter();
        }
        finally
        {
            try
            {
                _capture.AtEnd();
                if (!_ending.IsOver)
                    _ending.EndWithoutWord();
            }
            finally
            {
                WaitAtExit(null, EventArgs.Empty);
                _saver.Collect();
                _drain.Collect();
            }
        }
    }

    // Each call of the training thread ends the time in which a signal may save, once a save that it began is over.
    private void Enter()
    {
        ObjectDisposedException.ThrowIf(_disposed, _owner);
        _signalSaver.Forbid();
    }

    private void Raise(SaveReport report) => SaveEnded?.Invoke(report);

    private T WithRanks<T>(Func<T> call)
    {
        try
        {
            return call();
        }
        // A rank that has ended does not come to the completion.
        catch (RankFailedException e)
        {
            _batch.Abandon($"another rank ended training after batch {Train.Batch} ({e.Message})");
            throw;
        }
    }

    // Runs also when the program ends without a disposal.
    private void WaitAtExit(object? sender, EventArgs e)
    {
        _engine.AbandonCapture(new OperationCanceledException("The process ended while the state was still being copied."));
        if (_engine.Writer.WaitAtExit(_patience.LongestSilence) is { } hangs)
            Run.Logger.EndedWhileSaving(hangs.Message);
        if (_drainer?.Writer.WaitAtExit(_patience.LongestSilence) is { } stuck)
            Run.Logger.EndedWhileSaving(stuck.Message);
    }
}
