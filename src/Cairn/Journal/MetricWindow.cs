using System.Runtime.InteropServices;

namespace Cairn.Journal;

/// <summary>What one or several batches measured.</summary>
[StructLayout(LayoutKind.Auto)]
internal record struct MetricWindow
{
    /// <summary>Counters at its end.</summary>
    public long Batch, Step;

    /// <summary>Counted in it.</summary>
    public long Batches, Tokens;

    /// <summary>The last loss, or one that is no number if there was any; the least and the highest that are numbers; the last learning rate.</summary>
    public double? Loss, Least, Most, LearningRate;

    /// <summary>Time that it took, and its slowest batch.</summary>
    public double Seconds, Slowest;

    /// <summary>When it ended.</summary>
    public DateTimeOffset Time;

    /// <summary>The run's own metrics that were set at its steps, the last of each; <see langword="null"/> for none.</summary>
    public SortedDictionary<string, double>? Metrics;

    /// <summary>Counts a batch. A loss that is no number stays the window's: it is the extreme that must not get lost.</summary>
    public void Add(double? loss, double seconds)
    {
        Seconds += seconds;
        Slowest = Math.Max(Slowest, seconds);
        if (loss is not { } value)
            return;
        Loss = Loss is { } before && !double.IsFinite(before) ? before : value;
        if (!double.IsFinite(value))
            return;
        Least = Least < value ? Least : value;
        Most = Most > value ? Most : value;
    }

    /// <summary>Takes the metrics of the step that was just made.</summary>
    public void Measure(TrainState train)
    {
        if (train.Metrics.Count == 0)
            return;
        foreach ((string name, double value) in train.OwnMetrics)
            (Metrics ??= new SortedDictionary<string, double>(StringComparer.Ordinal))[name] = value;
    }
}
