using Cairn.Checkpoints;
using Cairn.Policies;

namespace Cairn.Running;

/// <summary>
/// The best checkpoint of the line, as saves come and go: what is being saved counts as the best once there is a copy of it. The first rank judges what is an improvement; the others hear of it with the
/// decision. Belongs to the training thread.
/// </summary>
internal sealed class BestTracker(BestRule? rule, BestCheckpoint? known, TrainState train)
{
    private BestCheckpoint? _before, _underWay;
    private long? _seen = rule is null ? null : train.StepOfMetric(rule.Metric);
    private bool _warned;

    /// <summary>The best of which there is a copy.</summary>
    public BestCheckpoint? Current { get; private set; } = known;

    /// <summary>The metric of the present step, when it is better than what is saved or being saved; else <see langword="null"/>.</summary>
    public double? Improvement() =>
        rule is not null && train.Step > 0 && train.OwnMetric(rule.Metric) is { } value && rule.IsBetter(value, (_underWay ?? Current)?.Value) ? value : null;

    /// <summary>A save of the present step begins.</summary>
    /// <param name="value">The metric, when it makes this checkpoint the best.</param>
    /// <returns>What its marker calls the best.</returns>
    public BestCheckpoint? Begin(double? value)
    {
        if (rule is null || value is not { } better)
            return Current;
        return _underWay = new BestCheckpoint(train.Step, rule.Metric, better, rule.HigherIsBetter);
    }

    /// <summary>A save has ended.</summary>
    public void Ended(SaveReport report)
    {
        if (report.Kind != SaveKind.Checkpoint)
            return;
        if (report.IsLost && Current?.Step == report.Step)
            Current = _before;
        if (report.IsDrained || _underWay?.Step != report.Step)
            return;
        if (report.IsComplete)
            (_before, Current) = (Current, _underWay);
        _underWay = null;
    }

    /// <summary>Once: what to say when the metric was set too late for the checkpoint of its step; else <see langword="null"/>. Call once at each boundary.</summary>
    public string? Lateness()
    {
        if (rule is null || train.StepOfMetric(rule.Metric) is not { } step || step == _seen)
            return null;
        _seen = step;
        if (step >= train.Step || _warned)
            return null;
        _warned = true;
        return $"SaveBestMetric: '{rule.Metric}' was set at step {step} after AfterBatch, and the state of that step is gone by now: it cannot be saved as the best. Evaluate and set the metric after CompleteStep and before AfterBatch.";
    }
}
