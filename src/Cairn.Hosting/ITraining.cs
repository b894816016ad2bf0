using Cairn.State;

namespace Cairn.Hosting;

/// <summary>
/// A training run of a host, registered by <c>AddCairnTraining</c>. All of it, from the constructor to <see cref="IDisposable.Dispose"/>, is called on one thread of its own, since TorchSharp's dispose scopes,
/// <c>no_grad</c> and the like belong to a thread. The constructor takes services of a scope that lives as long as the training, among them the run's <see cref="TrainState"/>.
/// </summary>
public interface ITraining
{
    /// <summary>The state besides the counters, such as those of the model and the optimizer. Asked once; they hold the restored state before the first batch.</summary>
    IEnumerable<IStatePart> Parts { get; }

    /// <summary>
    /// Trains one batch and counts it, by <see cref="TrainState.CompleteStep"/> or <see cref="TrainState.SkipBatch"/>. It does not call <see cref="CheckpointManager.AfterBatch"/>. What it throws ends the training,
    /// and the newest copy stands. When the host stops, the batch under way is finished and its end is saved: a batch must be shorter than the host's <c>ShutdownTimeout</c>.
    /// </summary>
    /// <param name="checkpoints">The run.</param>
    void TrainBatch(CheckpointManager checkpoints);

    /// <summary>Training has ended in order, because it is complete or was told to stop (<see cref="CheckpointManager.StopRequested"/>), and its end is saved. Does nothing by default.</summary>
    /// <param name="checkpoints">The run.</param>
    /// <param name="summary">What it did.</param>
    void Ended(CheckpointManager checkpoints, RunSummary summary)
    {
    }
}
