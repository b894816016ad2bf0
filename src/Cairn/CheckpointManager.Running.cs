using Cairn.Ranks;

namespace Cairn;

// A batch that begins, and the loop over batches.
public sealed partial class CheckpointManager
{
    /// <summary>
    /// Says that a batch begins: until <see cref="AfterBatch"/> is called, or the batch is counted and <see cref="Complete"/> called, the state counts as half updated and is not saved
    /// as the end. Not needed where the parts tell it themselves (<see cref="State.IProgressMark"/>), as those of Cairn.TorchSharp do, and by <see cref="RunAsync"/>.
    /// </summary>
    public void BeginBatch()
    {
        Enter();
        _batch.Begin();
    }

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
        ObjectDisposedException.ThrowIf(_disposed, this);
        using CancellationTokenRegistration stop = cancellationToken.Register(RequestStop);
        bool goesOn = GoesOn;
        while (goesOn)
        {
            BeginBatch();
            long before = Train.Batch;
            try
            {
                await batch(cancellationToken).ConfigureAwait(true);
                if (Train.Batch == before && GoesOn && !_stopRequested && !_signalled)
                    throw new InvalidOperationException("The body of the loop counted no batch. Call Train.CompleteStep or Train.SkipBatch at its end, and RequestStop when there is no more data.");
            }
            catch (Exception e)
            {
                GiveUp($"batch {before + 1} was ended by an exception ({e.GetType().Name}: {e.Message})");
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
    public bool Poll()
    {
        Enter();
        return Together(() =>
        {
            Report(_engine.Collect());
            Boundary boundary = Meet(Moment.Poll);
            if (boundary.Save is not null)
            {
                CollectUnderWay();
                Save(boundary with { IsBusy = false }, background: false);
                _commands?.Settle(Train.Step, LastCheckpoint, _options.Enabled);
            }
            StandStill();
            return boundary.Stop || boundary.Signal;
        });
    }

    // Alone, a request counts at once; of many ranks, all hear of it at the end of the same batch.
    private bool GoesOn => !Train.IsComplete && !StopRequested;
}
