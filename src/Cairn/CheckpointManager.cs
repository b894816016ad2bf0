using Cairn.Commit;
using Cairn.Journal;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Ranks.Planning;
using Cairn.State;
using Cairn.Stopping;
using Cairn.Storage;
using Cairn.Telemetry;
using Microsoft.Extensions.Logging;

namespace Cairn;

/// <summary>
/// Keeps the progress of one training run: resumes it, saves what is due after each batch, and always saves the end.
/// One per run and process. All members but <see cref="RequestStop"/> and <see cref="RequestSave"/> belong to the training thread.
/// In a job of many ranks each has its manager, and all make the same calls after the same batches: they agree there on what to save and when to stop.
/// </summary>
/// <example>
/// <code>
/// await using var checkpoints = await CheckpointManager.StartAsync(options, train, parts);
/// while (!train.IsComplete &amp;&amp; !checkpoints.StopRequested)
/// {
///     … one batch, then train.CompleteStep() or train.SkipBatch(reason) …
///     checkpoints.AfterBatch();
/// }
/// Console.WriteLine(checkpoints.Complete());
/// </code>
/// </example>
public sealed partial class CheckpointManager : IAsyncDisposable
{
    private readonly CheckpointOptions _options;
    private readonly IReadOnlyList<IStatePart> _parts;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly IFileSystem _files;
    private readonly RunLock? _lock;
    private readonly RunRecord _run;
    private readonly RunJournal _journal;
    private readonly SaveJournal _saveJournal;
    private readonly SaveSchedule _schedule;
    private readonly SaveEngine _engine;
    private readonly StopSignals? _signals;
    private readonly CommandChannel? _commands;
    private readonly RankGroup _ranks;
    private readonly PlanExchange _plan;
    private readonly ExceptionWatch _exceptions = new();

    private SavedTier _checkpointTier, _snapshotTier;
    private StopFileState _stopFile;
    private long _previousStep, _seenSkips, _seenBatch;
    private volatile bool _stopRequested, _signalled, _saveRequested;
    private bool _stopByFile, _warm, _endSeen, _completed, _disposed;
    private int _saves, _unsaved;
    private TimeSpan _stall;
    private RunSummary? _summary;

    /// <summary>The counters of the run.</summary>
    public TrainState Train { get; }

    /// <summary>What the run started from.</summary>
    public ResumeReport Resume { get; }

    /// <summary>The newest checkpoint of this branch that is durable.</summary>
    public long? LastCheckpoint => _checkpointTier.LastStep;

    /// <summary>The newest snapshot of this branch that is durable.</summary>
    public long? LastSnapshot => _snapshotTier.LastStep;

    /// <summary>
    /// Whether the run was told to stop: by a signal, the stop file, its file <c>command</c>, or <see cref="RequestStop"/>. In a job of many ranks, by any of
    /// these on any rank, and from the <see cref="AfterBatch"/> on at which all ranks heard of it.
    /// </summary>
    public bool StopRequested => _ranks.Size == 1 ? _stopRequested || _signalled || _stopByFile : _stopAgreed || _signalAgreed;

    /// <summary>Whether a save is being written in the background now.</summary>
    public bool IsSaving => _engine.IsBusy;

    /// <summary>Raised on the training thread, by the call after a save ended.</summary>
    public event EventHandler<SaveReport>? SaveEnded;

    /// <summary>Asks for an end at the next batch boundary, with a checkpoint. From any thread.</summary>
    public void RequestStop() => _stopRequested = true;

    /// <summary>Asks for a checkpoint at the next batch boundary. From any thread.</summary>
    public void RequestSave() => _saveRequested = true;

    /// <summary>
    /// Call after every batch, skipped ones too: saves what is due. Runs on the calling thread and lets training wait only for the copy of its
    /// state (for the whole save when not asynchronous, and for the save before when a checkpoint is due).
    /// </summary>
    /// <returns><see langword="false"/> when training shall end: all planned steps are made, or it was told to stop. The end is saved by then; <see cref="Complete"/> makes sure of it and sums up.</returns>
    /// <exception cref="CheckpointException">A save failed and <see cref="CheckpointOptions.FailOnError"/> is set.</exception>
    public bool AfterBatch()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        JournalSkips();
        // Where the run stands is said by whoever writes it.
        if (_lock is not { IsLost: true })
            _journal.WriteProgress(Train);
        Report(_engine.Collect());
        WarmUp();
        Boundary boundary = Meet(Moment.Batch);
        // The end is durable before anybody hears of it, once: whoever trains on all the same is saved as before.
        // Should it fail here, Complete tries again.
        bool savesEnd = boundary.Ends && !_endSeen;
        _endSeen |= boundary.Ends;
        if (savesEnd)
        {
            CollectUnderWay();
            boundary = Meet(Moment.End);
        }
        Save(boundary, background: _options.Asynchronous && !savesEnd);
        _commands?.Settle(Train.Step, LastCheckpoint, _options.Enabled);
        _previousStep = Train.Step;
        _seenBatch = Train.Batch;
        _exceptions.Boundary();
        return !boundary.Ends;
    }

    /// <summary>
    /// Ends the run: waits for the save under way, makes sure that the last step has a checkpoint, whatever was counted, and says what the run did.
    /// A second call does nothing.
    /// </summary>
    /// <exception cref="CheckpointException">The final checkpoint could not be saved; the newest copy before it stands.</exception>
    public RunSummary Complete()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_summary is not null)
            return _summary;
        JournalSkips();
        CollectUnderWay();
        SaveReport? last = Save(Meet(Moment.Completion), background: false);
        if (last is { Outcome: not SaveOutcome.Saved })
            throw new CheckpointException($"The final checkpoint of step {Train.Step} could not be saved: {last.Error?.Message} The newest copy is of step {Newest()}. Make room or repair the store and call Complete again.", last.Error) { Step = Train.Step, Path = _files.Root };
        _completed = true;
        _commands?.Settle(Train.Step, LastCheckpoint, _options.Enabled);
        _commands?.End(Train.Step, LastCheckpoint);
        _summary = new RunSummary
        {
            Steps = Train.Step,
            Batches = Train.Batch,
            TotalSteps = Train.TotalSteps,
            SkipsByReason = new Dictionary<string, long>(Train.SkipsByReason, StringComparer.Ordinal),
            FinalCheckpoint = LastCheckpoint is { } step ? RunFolder.Checkpoint(step) : null,
            Saves = _saves,
            Unsaved = _unsaved,
            Stall = _stall,
        };
        _journal.WriteProgress(Train, now: true);
        _journal.Write(StopRequested ? "stopped" : "finished", json =>
        {
            json.WriteNumber("step", Train.Step);
            json.WriteNumber("batch", Train.Batch);
            json.WriteNumber("skipped", Train.SkippedBatches);
            if (Train.TotalSteps is { } total)
                json.WriteNumber("total_steps", total);
        });
        _logger.Finished(_summary.ToString());
        return _summary;
    }

    /// <summary>
    /// Waits for the save under way and lets go of the run. When <see cref="Complete"/> was not called and no exception was raised since the last
    /// <see cref="AfterBatch"/>, the end is saved here; after an exception it is not, for the state may be half updated.
    /// </summary>
    public ValueTask DisposeAsync()
    {
        if (_disposed)
            return ValueTask.CompletedTask;
        try
        {
            bool isBroken = !_completed && (_exceptions.RaisedSinceBoundary || Train.Batch != _seenBatch);
            // The others wait for this rank at the next boundary, and shall not wait long.
            if (isBroken && _ranks.Size > 1)
                _ranks.Fail(NameOf(Moment.Batch), $"its training ended by an error after step {Train.Step}{(ExceptionWatch.LastHere is { } last ? $": {last.Message}" : "")}");
            if (!_completed && Train.Step > 0 && LastCheckpoint != Train.Step && _options.Enabled)
            {
                if (isBroken)
                    Abort();
                else
                    Complete();
            }
            _engine.WaitAtExit();
            Report(_engine.Collect());
        }
        finally
        {
            _disposed = true;
            AppDomain.CurrentDomain.ProcessExit -= WaitAtExit;
            _signals?.Dispose();
            _exceptions.Dispose();
            _engine.Dispose();
            _lock?.Dispose();
        }
        return ValueTask.CompletedTask;
    }

    private void Abort()
    {
        _logger.EndedByException(Train.Step);
        _commands?.End(Train.Step, LastCheckpoint);
        _journal.Write("aborted", json =>
        {
            json.WriteNumber("step", Train.Step);
            json.WriteNumber("batch", Train.Batch);
        });
    }

    private void JournalSkips()
    {
        if (Train.SkippedBatches == _seenSkips)
            return;
        _seenSkips = Train.SkippedBatches;
        _journal.Write("skipped", json =>
        {
            json.WriteNumber("batch", Train.Batch);
            json.WriteNumber("step", Train.Step);
            json.WriteNumber("skipped", Train.SkippedBatches);
            json.WriteString("reason", Train.LastSkipReason);
        });
    }

    private long Newest() => Math.Max(LastCheckpoint ?? 0, LastSnapshot ?? 0);
}
