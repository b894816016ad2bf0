using Cairn.Checkpoints;
using Cairn.Configuration;
using Cairn.Ranks;
using Cairn.Running;
using Cairn.Saving;
using Cairn.Starting;
using Cairn.State;
using Cairn.Stores;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

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
public sealed class CheckpointManager : IAsyncDisposable
{
    private readonly RunSession _session;

    private CheckpointManager(StartedRun run)
    {
        _session = new RunSession(run, this);
        _session.SaveEnded += report => SaveEnded?.Invoke(this, report);
    }

    /// <summary>The counters of the run.</summary>
    public TrainState Train => _session.Train;

    /// <summary>What the run started from.</summary>
    public ResumeReport Resume => _session.Run.Resume;

    /// <summary>The newest checkpoint of this branch that is durable.</summary>
    public long? LastCheckpoint => _session.LastCheckpoint;

    /// <summary>The newest snapshot of this branch that is durable.</summary>
    public long? LastSnapshot => _session.LastSnapshot;

    /// <summary>The newest step of this branch from which a restart here would go on: that of the newest copy that is durable, or recoverable from the fast folder (<see cref="CheckpointOptions.FastFolder"/>).</summary>
    public long? LastRecoverable => _session.LastRecoverable;

    /// <summary>The best checkpoint of this branch by <see cref="CheckpointOptions.SaveBestMetric"/>, once there is a copy of it; the same on all ranks. <see langword="null"/> when there is none.</summary>
    public BestCheckpoint? Best => _session.Best;

    /// <summary>
    /// Whether the run was told to stop: by a signal, the stop file, its file <c>command</c>, or <see cref="RequestStop"/>. In a job of many ranks, by any of
    /// these on any rank, and from the <see cref="AfterBatch"/> on at which all ranks heard of it.
    /// </summary>
    public bool StopRequested => _session.StopRequested;

    /// <summary>Whether a save is under way in the background now. With <see cref="CheckpointOptions.OverlapCapture"/> it goes on when <see cref="BeforeUpdate"/>, <see cref="Poll"/> or a later call ends its copy.</summary>
    public bool IsSaving => _session.IsSaving;

    /// <summary>Whether a copy is being brought from the fast folder to the home.</summary>
    internal bool IsDraining => _session.IsDraining;

    /// <summary>Raised on the training thread, by the call after a save ended.</summary>
    public event EventHandler<SaveReport>? SaveEnded;

    /// <summary>
    /// Takes the run: locks it (which may take <see cref="CheckpointOptions.LeaseDuration"/> after a process of another host was lost), tries the store out, ends what a crash interrupted, and resumes from the newest good copy, if there is one.
    /// The parts hold the restored state when this returns.
    /// </summary>
    /// <param name="options">What to save, when and where. Read now; later changes have no effect.</param>
    /// <param name="train">The run's counters; saved as the part <c>context</c>.</param>
    /// <param name="parts">The state besides the counters, in the order of restoring.</param>
    /// <param name="loggers">Where to log. By default warnings and errors go to standard error, each kind once.</param>
    /// <param name="time">The clock; the system's by default.</param>
    /// <param name="ranks">The ranks of the job, each of which starts the run at the same time with the same options; this process alone by default. The manager makes calls on this group and
    /// on channels of its own until it is disposed; what else is called on this group, all ranks call in the same order between the manager's calls.</param>
    /// <param name="cancellationToken">Ends the search for a copy to resume from.</param>
    /// <exception cref="OptionsValidationException">The options contradict themselves.</exception>
    /// <exception cref="CheckpointException">The parts cannot be saved: one cannot be captured, or the layout has no form for what it holds. Nothing was changed.</exception>
    /// <exception cref="RunLockedException">Another process writes this run.</exception>
    /// <exception cref="StoreException">The folder cannot be written.</exception>
    /// <exception cref="StateMismatchException">The checkpoint does not fit the parts; nothing was changed.</exception>
    /// <exception cref="CorruptCheckpointException">There are copies, and none can be used.</exception>
    /// <exception cref="RankFailedException">One of these on another rank.</exception>
    /// <exception cref="RankTimeoutException">Ranks did not start in time.</exception>
    public static Task<CheckpointManager> StartAsync(
        CheckpointOptions options, TrainState train, IEnumerable<IStatePart> parts, ILoggerFactory? loggers = null, TimeProvider? time = null, RankGroup? ranks = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        // On the caller's thread: the parts belong to it.
        try
        {
            ranks ??= RankGroup.Single;
            IRunHome home = ranks.OrFail(RunStart.FirstCall, () =>
            {
                CheckpointOptionsValidator.Check(options);
                return RunHome.Of(options);
            });
            return Task.FromResult(Start(home, options, train, parts, loggers, time, ranks, cancellationToken));
        }
        catch (Exception e)
        {
            return Task.FromException<CheckpointManager>(e);
        }
    }

    /// <summary>
    /// Says what <see cref="StartAsync"/> would resume from with these options, and changes nothing: for a program whose objects depend on the step, such as an optimizer whose parameter groups grow while
    /// layers are unfrozen. With <see cref="CheckpointOptions.VerifyHashes"/> the copy is read once more than by the start alone. Of a fast folder, the copies of the first rank's host are seen.
    /// </summary>
    /// <param name="options">As given to <see cref="StartAsync"/> then.</param>
    /// <param name="ranks">The ranks of the job, all of which make this call; this process alone by default.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <exception cref="OptionsValidationException">The options contradict themselves.</exception>
    /// <exception cref="CheckpointException">As <see cref="StartAsync"/>: none of the copies can be used, or the options contradict what stands there.</exception>
    public static Task<ResumePreview> PeekAsync(CheckpointOptions options, RankGroup? ranks = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        try
        {
            ranks ??= RankGroup.Single;
            IRunHome home = ranks.OrFail("peek: options", () =>
            {
                CheckpointOptionsValidator.Check(options);
                return RunHome.Of(options);
            });
            return Task.FromResult(ResumePeek.Look(home, options, ranks, TimeProvider.System, cancellationToken));
        }
        catch (Exception e)
        {
            return Task.FromException<ResumePreview>(e);
        }
    }

    /// <summary>As above, over any file system; one that is not a local folder is not locked.</summary>
    internal static CheckpointManager Start(
        IFileSystem files, CheckpointOptions options, TrainState train, IEnumerable<IStatePart> parts, ILoggerFactory? loggers = null, TimeProvider? time = null, RankGroup? ranks = null, CancellationToken cancellationToken = default) =>
        Start(new DiskHome(files), options, train, parts, loggers, time, ranks, cancellationToken);

    /// <summary>As above, wherever the run lives.</summary>
    internal static CheckpointManager Start(
        IRunHome home, CheckpointOptions options, TrainState train, IEnumerable<IStatePart> parts, ILoggerFactory? loggers = null, TimeProvider? time = null, RankGroup? ranks = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(parts);
        return RunStarter.Start(run => new CheckpointManager(run), home, options, train, parts, loggers, time ?? TimeProvider.System, ranks ?? RankGroup.Single, cancellationToken);
    }

    /// <summary>Asks for an end at the next batch boundary, with a checkpoint. From any thread.</summary>
    public void RequestStop() => _session.Requests.RequestStop();

    /// <summary>Asks for a checkpoint at the next batch boundary. From any thread.</summary>
    public void RequestSave() => _session.Requests.RequestSave();

    /// <summary>
    /// Takes a part as it is at the next save, although it has fewer or smaller tensors than before: for a program that has replaced or shrunk a model on purpose.
    /// Without this such a save fails with a <see cref="LostContentException"/>. On the training thread; in a job, on each rank whose part shrank.
    /// </summary>
    /// <exception cref="ArgumentException">There is no such part.</exception>
    public void AcceptSmallerPart(string part) => _session.AcceptSmallerPart(part);

    /// <summary>
    /// Says that a batch begins: until <see cref="AfterBatch"/> is called, or the batch is counted and <see cref="Complete"/> called, the state counts as half updated and is not saved
    /// as the end. Not needed where the parts tell it themselves (<see cref="State.IProgressMark"/>), as those of Cairn.TorchSharp do, and by <see cref="RunAsync"/>.
    /// </summary>
    public void BeginBatch() => _session.BeginBatch();

    /// <summary>
    /// Call right before the state is updated (<c>optimizer.step()</c>), and before anything else that writes to it, such as swapping averaged weights in for an evaluation: waits until what is still being copied
    /// of it for a save is copied (<see cref="CheckpointOptions.OverlapCapture"/>). On the training thread. Costs nothing when nothing is being copied.
    /// </summary>
    public void BeforeUpdate() => _session.BeforeUpdate();

    /// <summary>
    /// Call after every batch, skipped ones too: saves what is due. Runs on the calling thread and lets training wait only for the copy of its
    /// state (for the whole save when not asynchronous, and for the save before when a checkpoint is due).
    /// </summary>
    /// <returns><see langword="false"/> when training should end: all planned steps are complete, or it was told to stop. The end is saved by then; <see cref="Complete"/> makes sure of it and sums up.</returns>
    /// <exception cref="CheckpointException">A save failed and <see cref="CheckpointOptions.FailOnError"/> is set.</exception>
    /// <exception cref="InvalidOperationException">With <see cref="CheckpointOptions.OverlapCapture"/>: <see cref="BeforeUpdate"/> was not called before the update. The save that was being copied is given up.</exception>
    public bool AfterBatch() => _session.AfterBatch();

    /// <summary>
    /// Trains batch after batch until all planned steps are made or the run is told to stop, and completes the run. An exception that leaves the body is passed on: the state may then
    /// be half updated and is not saved, other ranks hear at once that this one has failed, and the newest copy stands.
    /// </summary>
    /// <param name="batch">One batch, which ends by counting it (<see cref="TrainState.CompleteStep"/> or <see cref="TrainState.SkipBatch"/>). It does not call <see cref="AfterBatch"/>.
    /// It is given <paramref name="cancellationToken"/>; one that gives up because of it leaves its batch unfinished.</param>
    /// <param name="cancellationToken">Asks for an end at the next batch boundary, with a checkpoint, as <see cref="RequestStop"/> does.</param>
    /// <returns>What <see cref="Complete"/> says.</returns>
    /// <exception cref="InvalidOperationException">The body counted no batch and nobody asked to stop: the loop would never end.</exception>
    /// <exception cref="CheckpointException">As <see cref="AfterBatch"/> and <see cref="Complete"/>.</exception>
    public async Task<RunSummary> RunAsync(Func<CancellationToken, Task> batch, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(batch);
        using CancellationTokenRegistration stop = cancellationToken.Register(RequestStop);
        bool goesOn = _session.GoesOn;
        while (goesOn)
        {
            BeginBatch();
            long before = Train.Batch;
            try
            {
                await batch(cancellationToken).ConfigureAwait(true);
                if (Train.Batch == before && _session.GoesOn && !_session.Requests.IsAny)
                    throw new InvalidOperationException("The body of the loop counted no batch. Call Train.CompleteStep or Train.SkipBatch at its end, and RequestStop when there is no more data.");
            }
            catch (Exception e)
            {
                _session.GiveUp($"batch {before + 1} was ended by an exception ({e.GetType().Name}: {e.Message})");
                throw;
            }
            goesOn = AfterBatch();
        }
        return Complete();
    }

    /// <summary>As <see cref="RunAsync"/>, for a body that does not wait asynchronously: all of it runs on the calling thread.</summary>
    /// <inheritdoc cref="RunAsync"/>
    public RunSummary Run(Action batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return RunAsync(_ =>
        {
            batch();
            return Task.CompletedTask;
        }).GetAwaiter().GetResult();
    }

    /// <summary>
    /// Call from time to time in long work between two batches, such as an evaluation: hears of signals, of the stop file and of the run's file <c>command</c>. When the run was told to stop
    /// and nothing has changed since the last <see cref="AfterBatch"/>, the end is saved here, on the calling thread; when a batch is under way, it is saved at its end as always.
    /// In a job, all ranks call it at the same points of their program.
    /// </summary>
    /// <returns>Whether to leave the work, because the run was told to stop. Then leave the loop, or call <see cref="AfterBatch"/> after the batch.</returns>
    /// <exception cref="CheckpointException">A save failed and <see cref="CheckpointOptions.FailOnError"/> is set.</exception>
    public bool Poll() => _session.Poll();

    /// <summary>
    /// Says that no part of the state changes until the result is disposed, for example during an evaluation: a signal that comes in that time saves the end at once, on the thread of
    /// the signal, instead of after the evaluation, when the time to stop may be over. It has no effect when a batch is under way, and in a job of many ranks, whose ranks save together:
    /// there call <see cref="Poll"/> from time to time.
    /// </summary>
    /// <example><code>double loss;
    /// using (checkpoints.BetweenBatches())
    ///     loss = Evaluate(model);
    /// train.Metrics["validation_loss"] = loss;</code></example>
    public IDisposable BetweenBatches() => _session.BetweenBatches();

    /// <summary>
    /// Ends the run: waits for the save under way, makes sure that the last step has a checkpoint, whatever was counted, and says what the run did.
    /// A second call does nothing, unless batches were counted since. May stand in a <c>finally</c>: when a batch was begun and not counted, the state may be half updated; then it is not saved, nothing is thrown, and
    /// <see cref="RunSummary.EndNotSaved"/>, the log and <see cref="SaveEnded"/> (with <see cref="SaveOutcome.Refused"/>) say so.
    /// </summary>
    /// <exception cref="CheckpointException">The final checkpoint could not be saved; the newest copy before it stands.</exception>
    public RunSummary Complete() => _session.Complete();

    /// <summary>
    /// Puts the weights of the best checkpoint (<see cref="Best"/>) into the model: the part <c>model</c> is read, verified and written in place, as in a resume, and the other parts stay as they are.
    /// After <see cref="Complete"/>, on all ranks; <see cref="CheckpointOptions.LoadBestModelAtEnd"/> does it there. Training cannot go on from there in this process.
    /// </summary>
    /// <returns>The checkpoint; <see langword="null"/> when none is the best, and nothing was changed.</returns>
    /// <exception cref="InvalidOperationException"><see cref="Complete"/> was not called, or batches were counted since.</exception>
    /// <exception cref="CheckpointException">The copy is damaged or does not fit; nothing was changed.</exception>
    public BestCheckpoint? LoadBestModel() => _session.LoadBestModel();

    /// <summary>
    /// Waits for the save under way and lets go of the run. When <see cref="Complete"/> was not called, the end is saved here, unless a batch was begun or counted since the last
    /// <see cref="AfterBatch"/>: the state may then be half updated. Exceptions that were handled, anywhere in the process, change nothing.
    /// </summary>
    /// <exception cref="CheckpointException">The end was to be saved here and could not be.</exception>
    public ValueTask DisposeAsync()
    {
        _session.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Tells the run to stop, as a signal does. From any thread.</summary>
    internal void Signal(string signal) => _session.Signal(signal);
}
