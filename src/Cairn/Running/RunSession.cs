using Cairn.Checkpoints;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.Starting;
using Cairn.Stopping;
using Cairn.Telemetry;

namespace Cairn.Running;

/// <summary>
/// A run from its start to its end in this process, as <see cref="CheckpointManager"/> promises it: who may call what when, and that nothing is left undone. Belongs to the training thread, but for
/// <see cref="Requests"/> and <see cref="Signal"/>.
/// </summary>
internal sealed class RunSession : IDisposable
{
    private readonly object _owner;
    private readonly RunAssembly _parts;
    private readonly RunObserver _observer;
    private readonly StopSignals? _signals;
    private bool _disposed;

    /// <param name="run">What the start has found out.</param>
    /// <param name="owner">Whom errors name.</param>
    public RunSession(StartedRun run, object owner)
    {
        (Run, _owner) = (run, owner);
        // On all ranks: each copy names it, as InternLM's do.
        Train.LogFolder = RunBoard.FolderOf(run.Options) ?? Train.LogFolder;
        _parts = new RunAssembly(run, Raise);
        try
        {
            if (run.Record.Finished?.At(Train, run.Record.Lineage) is { } reason)
                Train.Finish(reason);
            if (run.Ranks.IsFirst && run.Options is { Enabled: true, RetentionMetric: { } metric } && UnmeasuredCheckpoints.AtStart(Train, metric) is { } warning)
                run.Logger.OptionWarning(warning);
            StartAnnouncement.Make(run, _parts.Journal, _parts.Schedule);
            _parts.Batches.Begin(_parts.Tiers.Recoverable);
            _parts.Operators?.Start();
            _observer = new RunObserver(run, _parts.Tiers, _parts.Journal);
        }
        catch
        {
            _parts.Dispose();
            throw;
        }
        // Last, when nothing can fail any more: a process that holds a signal back must be there to answer it.
        AppDomain.CurrentDomain.ProcessExit += WaitAtExit;
        if (run.Options.HandleSignals)
            _signals = new StopSignals(Signal);
    }

    /// <summary>What the start has found out.</summary>
    public StartedRun Run { get; }

    /// <summary>What the program and the system ask for.</summary>
    public RunRequests Requests => _parts.Requests;

    public TrainState Train => Run.Train;

    public long? LastCheckpoint => _parts.Tiers.DurableCheckpoint;

    public long? LastSnapshot => _parts.Tiers.DurableSnapshot;

    public long? LastRecoverable => _parts.Tiers.Newest is > 0 and long step ? step : null;

    public BestCheckpoint? Best => _parts.Best.Current;

    public bool StopRequested => _parts.Decisions.StopRequested;

    public bool IsSaving => _parts.Engine.Writer.IsBusy;

    /// <summary>Whether a copy is being brought from the fast folder to the home.</summary>
    public bool IsDraining => _parts.Drainer is { Writer.IsBusy: true };

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
        _parts.Watch.Begin();
    }

    public void BeforeUpdate()
    {
        Enter();
        _parts.Engine.FinishCapture();
    }

    public bool AfterBatch()
    {
        Enter();
        _parts.Capture.AfterBatch();
        _parts.Ending.Reopen();
        _parts.Watch.MarkBoundary();
        _observer.Alive();
        _parts.Saver.HasThrown = false;
        return WithRanks(_parts.Boundary.EndBatch);
    }

    public bool Poll()
    {
        Enter();
        _observer.Alive();
        _parts.Capture.AtRest();
        return WithRanks(_parts.Boundary.Poll);
    }

    public IDisposable BetweenBatches()
    {
        Enter();
        _parts.Capture.AtRest();
        return _parts.SignalSaver.Begin(() => _disposed);
    }

    /// <summary>Training has ended within a batch.</summary>
    public void GiveUp(string why) => _parts.Ending.GiveUp(why);

    public RunSummary Complete()
    {
        Enter();
        _parts.Capture.AtEnd();
        try
        {
            RunSummary summary = _parts.Ending.Complete();
            _observer.Ended(summary, StopRequested, summary.EndNotSaved);
            return summary;
        }
        finally
        {
            _parts.Flush();
        }
    }

    public BestCheckpoint? LoadBestModel()
    {
        Enter();
        return _parts.Ending.LoadBest();
    }

    /// <summary>Tells the run to stop, as a signal does. From any thread.</summary>
    public void Signal(string signal)
    {
        Requests.Signal();
        Run.Logger.Signalled(signal, Run.Options.HandleSignals ? ". A second interrupt ends at once" : "");
        _parts.SignalSaver.SaveNow();
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
            _parts.Dispose();
            // Last: whoever starts the run again does not wait for it.
            _observer.Dispose();
        }
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
                EndWithoutWord();
            }
            finally
            {
                WaitAtExit(null, EventArgs.Empty);
                _parts.Saver.Collect();
                _parts.Drain.Collect();
            }
        }
    }

    private void EndWithoutWord()
    {
        try
        {
            _observer.Ending();
            _parts.Capture.AtEnd();
            if (!_parts.Ending.IsOver)
                _parts.Ending.EndWithoutWord();
            _observer.Ended(_parts.Ending.Summary, StopRequested, _parts.Ending.WhyNotSaved);
        }
        catch (Exception e)
        {
            _observer.Ended(_parts.Ending.Summary, StopRequested, _parts.Ending.WhyNotSaved ?? e.Message);
            throw;
        }
    }

    // Each call of the training thread ends the time in which a signal may save, once a save that it began is over.
    private void Enter()
    {
        ObjectDisposedException.ThrowIf(_disposed, _owner);
        _parts.SignalSaver.Forbid();
    }

    private void Raise(SaveReport report)
    {
        _observer.Saved(report);
        SaveEnded?.Invoke(report);
    }

    private T WithRanks<T>(Func<T> call)
    {
        try
        {
            return call();
        }
        // A rank that has ended does not come to the completion.
        catch (RankFailedException e)
        {
            _parts.Watch.Abandon($"another rank ended training after batch {Train.Batch} ({e.Message})");
            throw;
        }
    }

    // Runs also when the program ends without a disposal.
    private void WaitAtExit(object? sender, EventArgs e)
    {
        _parts.Engine.AbandonCapture(new OperationCanceledException("The process ended while the state was still being copied."));
        if (_parts.Engine.Writer.WaitAtExit(_parts.Patience.LongestSilence) is { } hangs)
            Run.Logger.EndedWhileSaving(hangs.Message);
        if (_parts.Drainer?.Writer.WaitAtExit(_parts.Patience.LongestSilence) is { } stuck)
            Run.Logger.EndedWhileSaving(stuck.Message);
    }
}
