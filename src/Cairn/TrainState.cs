using Cairn.State;

namespace Cairn;

/// <summary>
/// How far a run has come: the counters that decide when to save, and what must be known again after a resume.
/// Belongs to the training thread. Saved as the part <c>context</c>.
/// </summary>
public sealed partial class TrainState : ISettingsPart
{
    /// <summary>The reason under which a batch counts whose gradients overflowed: <c>overflow</c>.</summary>
    public const string OverflowReason = "overflow";

    private readonly SortedDictionary<string, long> _skipsByReason = new(StringComparer.Ordinal);
    private readonly StepMetrics _metrics;
    private long _step, _batch, _skippedBatches, _consumedSamples, _samplesInEpoch, _consumedTokens, _epoch;

    /// <summary>Counters of a run that has not begun.</summary>
    public TrainState() => _metrics = new StepMetrics(() => _step);

    /// <summary>Number of steps to train; <see langword="null"/> (the default) when it has no planned end. Set here, it wins over a saved one on restore.</summary>
    public long? TotalSteps { get; set; }

    /// <summary>Successful optimizer updates so far. Checkpoints are named by it. Default 0.</summary>
    public long Step { get => _step; init => _step = NotNegative(value); }

    /// <summary>Batches drawn so far, skipped ones included. Default 0.</summary>
    public long Batch { get => _batch; init => _batch = NotNegative(value); }

    /// <summary>Batches without an optimizer update, over all reasons. Default 0.</summary>
    public long SkippedBatches { get => _skippedBatches; init => _skippedBatches = NotNegative(value); }

    /// <summary>Skipped batches per reason, in the order of the reasons' names.</summary>
    public IReadOnlyDictionary<string, long> SkipsByReason => _skipsByReason;

    /// <summary>Why the last skipped batch was skipped, as far as this process knows.</summary>
    public string? LastSkipReason { get; private set; }

    /// <summary>Samples consumed since the run began, over all ranks as the caller counts them. Default 0.</summary>
    public long ConsumedSamples { get => _consumedSamples; init => _consumedSamples = NotNegative(value); }

    /// <summary>Samples consumed since the current epoch began. Default 0.</summary>
    public long SamplesInEpoch { get => _samplesInEpoch; init => _samplesInEpoch = NotNegative(value); }

    /// <summary>Tokens consumed since the run began. Default 0.</summary>
    public long ConsumedTokens { get => _consumedTokens; init => _consumedTokens = NotNegative(value); }

    /// <summary>Completed passes over the data. Default 0; <see cref="CompleteEpoch"/> counts it.</summary>
    public long Epoch { get => _epoch; init => _epoch = NotNegative(value); }

    /// <summary>Loss of the last step that reported one; may be NaN.</summary>
    public double? LastLoss { get; set; }

    /// <summary>Learning rate of the last step that reported one.</summary>
    public double? LastLearningRate { get; set; }

    /// <summary>Folder of the run's logs, so that a resumed run goes on writing there. The saved one wins on restore, and <see cref="CheckpointOptions.TensorBoardFolder"/> over both.</summary>
    public string? LogFolder { get; set; }

    /// <summary>
    /// The latest measurements by name, for example <c>validation_loss</c>. Each belongs to the <see cref="Step"/> at which it was set: set it after
    /// <see cref="CompleteStep"/> and before <see cref="CheckpointManager.AfterBatch"/>, so that the checkpoint of that step has it. <c>KeepBest</c> compares a
    /// checkpoint only by values of its own step, because another step's model was not the one that was measured: evaluate at the steps that are saved. Values of
    /// earlier steps come back after a resume all the same.
    /// </summary>
    public IDictionary<string, double> Metrics => _metrics;

    /// <summary>The measurements of the present step.</summary>
    internal IReadOnlyDictionary<string, double> OwnMetrics =>
        _metrics.Steps.Where(entry => entry.Value.Step == Step).ToDictionary(entry => entry.Key, entry => entry.Value.Value, StringComparer.Ordinal);

    /// <summary>The measurement of the present step; <see langword="null"/> when there is none.</summary>
    internal double? OwnMetric(string name) => _metrics.Steps.TryGetValue(WellFormedText.Repaired(name), out (double Value, long Step) entry) && entry.Step == Step ? entry.Value : null;

    /// <summary>The step at which a metric was set last; <see langword="null"/> when it never was.</summary>
    internal long? StepOfMetric(string name) => _metrics.Steps.TryGetValue(name, out (double Value, long Step) entry) ? entry.Step : null;

    /// <summary>
    /// Values of the user's own that come back after a resume: texts, numbers, lists, maps, and tensors of up to 2 GiB. Replaced by the saved ones on restore,
    /// where tensors are <see cref="MemoryTensor"/>s. What is large or belongs to an object of its own is better a part (<see cref="IStatePart"/>).
    /// </summary>
    public StateMap Values { get; private set; } = new();

    /// <summary>Whether training is over: all planned steps are made, or <see cref="Finish"/> was called, in this process or in an earlier one that was not told to make more since.</summary>
    public bool IsComplete => Step >= TotalSteps || FinishedBecause is not null;

    /// <summary>Why training was finished before all planned steps were made; <see langword="null"/> when it was not.</summary>
    public string? FinishedBecause { get; private set; }

    /// <summary>
    /// Finishes training here, for example because the validation loss has stopped to fall: the next <see cref="CheckpointManager.AfterBatch"/> or <see cref="CheckpointManager.Complete"/>
    /// saves the end, and a run that is started again is still finished. What trains it on is a larger <see cref="TotalSteps"/>, <see cref="Reopen"/>, or going back to an older step.
    /// In a job all ranks call it after the same batch.
    /// </summary>
    /// <param name="reason">Why, for the people who read it later.</param>
    /// <exception cref="ArgumentException">The reason is empty.</exception>
    public void Finish(string reason)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(reason);
        FinishedBecause = WellFormedText.Repaired(reason);
    }

    /// <summary>Takes <see cref="Finish"/> back: the run trains on.</summary>
    public void Reopen() => FinishedBecause = null;

    /// <summary>Counts a batch that led to an optimizer update. Values that are not given leave the last ones.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A count is negative.</exception>
    public void CompleteStep(long samples = 0, long tokens = 0, double? loss = null, double? learningRate = null)
    {
        Consume(samples, tokens);
        _step++;
        LastLoss = loss ?? LastLoss;
        LastLearningRate = learningRate ?? LastLearningRate;
    }

    /// <summary>Counts a batch that led to no optimizer update, for example because of <see cref="OverflowReason"/>.</summary>
    /// <exception cref="ArgumentException">The reason is empty, or a count is negative.</exception>
    public void SkipBatch(string reason, long samples = 0, long tokens = 0)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(reason);
        Consume(samples, tokens);
        _skippedBatches++;
        reason = WellFormedText.Repaired(reason);
        LastSkipReason = reason;
        _skipsByReason[reason] = _skipsByReason.GetValueOrDefault(reason) + 1;
    }

    /// <summary>Counts a completed pass over the data and starts <see cref="SamplesInEpoch"/> anew.</summary>
    public void CompleteEpoch()
    {
        _epoch++;
        _samplesInEpoch = 0;
    }

    private void Consume(long samples, long tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(samples);
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        _batch++;
        _consumedSamples += samples;
        _samplesInEpoch += samples;
        _consumedTokens += tokens;
    }

    private static long NotNegative(long value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        return value;
    }
}
