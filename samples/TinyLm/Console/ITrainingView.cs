namespace TinyLm;

/// <summary>Where training stands after a batch.</summary>
/// <param name="Batch">Batches drawn, over all restarts.</param>
/// <param name="TotalBatches">Batches that the run will draw.</param>
/// <param name="Step">Successful optimizer updates.</param>
/// <param name="Skipped">Batches whose gradients overflowed.</param>
/// <param name="Loss">Loss of this batch.</param>
/// <param name="LearningRate">Rate that this batch was trained with.</param>
/// <param name="TokensPerSecond">Since this process started to train.</param>
/// <param name="LastCheckpoint">Name of the newest checkpoint, or null.</param>
/// <param name="LastSnapshot">Name of the newest snapshot, or null.</param>
/// <param name="LastStall">Time for which training waited at the last save, or null.</param>
public sealed record TrainingProgress(
    int Batch,
    int TotalBatches,
    int Step,
    int Skipped,
    float Loss,
    double LearningRate,
    double TokensPerSecond,
    string? LastCheckpoint,
    string? LastSnapshot,
    TimeSpan? LastStall);

/// <summary>
/// Shows a training run. <see cref="Event"/> may be called from any thread, the others from the training loop:
/// <see cref="Started"/> once, <see cref="Batch"/> after each batch, <see cref="Finished"/> at most once, then disposal.
/// </summary>
public interface ITrainingView : IDisposable
{
    void Started(IReadOnlyList<string> lines);

    void Batch(TrainingProgress progress);

    /// <summary>Something that happened and is worth a line of its own: saved, skipped, resumed, failed.</summary>
    void Event(string line);

    void Finished(IReadOnlyList<string> lines);
}
