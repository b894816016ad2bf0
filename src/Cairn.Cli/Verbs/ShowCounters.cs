using System.Globalization;
using Cairn.Inspection;
using Cairn.State;

namespace Cairn.Cli.Verbs;

/// <summary>The counters of a copy in Cairn's words. In files they have InternLM's names and meaning, where the batch is an index from 0; what is not known is shown as it stands there.</summary>
internal static class ShowCounters
{
    private const string MetricPrefix = "metrics/", SkipPrefix = "skips_by_reason/";

    // What TrainState reads; the rest is shown as it is found.
    private static readonly string[] Known =
    [
        "batch_count", "step_count", "inf_nan_skip_batches", "num_consumed_samples_in_epoch", "num_consumed_samples", "num_consumed_tokens", "tensorboard_folder", "total_steps", "epoch", "skips_by_reason",
        "last_loss", "last_learning_rate", "metrics", "earlier_metrics",
    ];

    /// <summary>Names and values, in the order in which they are shown.</summary>
    public static IReadOnlyDictionary<string, string> Of(StateMap saved)
    {
        var shown = new OrderedDictionary<string, string>(StringComparer.Ordinal);
        bool isKnown = TryRead(saved, out TrainState train);
        if (isKnown)
        {
            shown["step"] = Text(train.Step);
            shown["batch"] = Text(train.Batch);
            if (train.TotalSteps is { } total)
                shown["total_steps"] = Text(total);
            shown["skipped_batches"] = Text(train.SkippedBatches);
            foreach ((string reason, long count) in train.SkipsByReason)
                shown[SkipPrefix + reason] = Text(count);
            shown["epoch"] = Text(train.Epoch);
            shown["samples"] = Text(train.ConsumedSamples);
            shown["samples_in_epoch"] = Text(train.SamplesInEpoch);
            shown["tokens"] = Text(train.ConsumedTokens);
            if (train.LastLoss is { } loss)
                shown["loss"] = Text(loss);
            if (train.LastLearningRate is { } rate)
                shown["learning_rate"] = Text(rate);
            foreach ((string metric, double value) in train.Metrics)
                shown[MetricPrefix + metric] = Text(value) + (train.StepOfMetric(metric) is { } at && at != train.Step ? $" (of step {Text(at)})" : "");
            if (train.LogFolder is { } folder)
                shown["log_folder"] = folder;
        }
        foreach (StateLeaf leaf in StateLeaves.Of(saved))
        {
            if (leaf.Node is StateScalar scalar && !(isKnown && Known.Contains(leaf.Path.Split('/')[0], StringComparer.Ordinal)))
                shown[leaf.Path] = Convert.ToString(scalar.Value, CultureInfo.InvariantCulture) ?? "";
        }
        return shown;
    }

    /// <summary>A name as a person reads it.</summary>
    public static string Label(string name) => name.StartsWith(MetricPrefix, StringComparison.Ordinal) ? name[MetricPrefix.Length..]
        : name.StartsWith(SkipPrefix, StringComparison.Ordinal) ? $"skipped: {name[SkipPrefix.Length..]}"
        : name.Contains('/', StringComparison.Ordinal) ? name : name.Replace('_', ' ');

    private static bool TryRead(StateMap saved, out TrainState train)
    {
        train = new TrainState();
        var problems = new RestoreProblems();
        train.Check(saved, problems);
        if (!problems.None)
            return false;
        train.Restore(saved);
        return true;
    }

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}
