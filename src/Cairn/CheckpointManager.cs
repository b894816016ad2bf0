using Cairn.Capture;
using Cairn.Journal;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Ranks.Planning;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stopping;
using Cairn.Stores;
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
    private readonly SteadyClock _clock;
    private readonly ILogger _logger;
    private readonly IRunFiles _files;
    private readonly ILease? _lock;
    private readonly RunJournal _journal;
    private readonly SaveJournal _saveJournal;
    private readonly SaveSchedule _schedule;
    private readonly SaveEngine _engine;
    private readonly StopSignals? _signals;
    private readonly OperatorWatch? _watch;
    private readonly CommandChannel? _commands;
    private readonly RankGroup _ranks;
    private readonly PlanExchange _plan;
    private readonly BatchWatch _batch;
    // What training itself reads and writes on the way.
    private readonly PatientFiles _patient;
    private static readonly TimeSpan LongestErrand = TimeSpan.FromSeconds(5);
    private readonly PartContents _contents;

    private SavedTier _checkpointTier, _snapshotTier;
    private StopFileState? _stopFile;
    private long _previousStep, _seenSkips;
    private volatile bool _stopRequested, _signalled, _saveRequested;
    private bool _stopByFile, _warm, _endSeen, _gaveUp, _failureThrown, _disposed;
    private int _saves, _unsaved;
    private long _ignored, _nextReminder = 1;
    private RunRecord _run;
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
    /// Takes a part as it is at the next save, although it has fewer or smaller tensors than before: for a program that has replaced or shrunk a model on purpose.
    /// Without this such a save fails with a <see cref="LostContentException"/>. On the training thread; in a job, on each rank whose part shrank.
    /// </summary>
    /// <exception cref="ArgumentException">There is no such part.</exception>
    public void AcceptSmallerPart(string part)
    {
        Enter();
        if (_parts.All(known => known.Name != part))
            throw new ArgumentException($"There is no part '{part}'. The parts are: {string.Join(", ", _parts.Select(known => known.Name))}.", nameof(part));
        _contents.Forget(part);
    }

    /// <summary>
    /// Call after every batch, skipped ones too: saves what is due. Runs on the calling thread and lets training wait only for the copy of its
    /// state (for the whole save when not asynchronous, and for the save before when a checkpoint is due).
    /// </summary>
    /// <returns><see langword="false"/> when training shall end: all planned steps are made, or it was told to stop. The end is saved by then; <see cref="Complete"/> makes sure of it and sums up.</returns>
    /// <exception cref="CheckpointException">A save failed and <see cref="CheckpointOptions.FailOnError"/> is set.</exception>
    public bool AfterBatch()
    {
        Enter();
        if (_summary is not null)
            GoOn();
        _batch.Boundary();
        _failureThrown = false;
        return Together(EndBatch);
    }

    private T Together<T>(Func<T> meeting)
    {
        try
        {
            return meeting();
        }
        // A rank that has ended does not come to the completion.
        catch (RankFailedException e)
        {
            _batch.Abandon($"another rank ended training after batch {Train.Batch} ({e.Message})");
            throw;
        }
    }

    private bool EndBatch()
    {
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
        RemindOfEnd(boundary.Ends);
        _endSeen = boundary.Ends;
        if (savesEnd)
        {
            CollectUnderWay();
            boundary = Meet(Moment.End);
        }
        Save(boundary, background: _options.Asynchronous && !savesEnd);
        _commands?.Settle(Train.Step, LastCheckpoint, _options.Enabled);
        _previousStep = Train.Step;
        if (savesEnd)
            RecordEnd();
        return !boundary.Ends;
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
