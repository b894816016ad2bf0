using System.Globalization;
using Cairn.Inspection;
using Cairn.State;

namespace Cairn.Cli.Verbs;

/// <summary>The counters of a copy in Cairn's words. In files they have InternLM's names and meaning, where the batch is an index from 0; what is not known is shown as it stands there.</summary>
internal static class ShowCounters
{
    private const string MetricPrefix = "metrics/", SkipPrefix = "skips_by_reason/";

    /// <summary>Names and values, in the order in which they are shown.</summary>
    /// <param name="saved">The counters as they were saved, with whatever stands beside them.</param>
    /// <param name="most">As many are given.</param>
    /// <param name="more">How many are left out.</param>
    public static IReadOnlyDictionary<string, string> Of(StateMap saved, int most, out long more)
    {
        more = 0;
        var shown = new OrderedDictionary<string, string>(StringComparer.Ordinal);
        if (TrainState.TryFromState(saved, out TrainState? train))
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
            if (leaf.Node is not StateScalar scalar || (train is not null && TrainState.IsCounter(leaf.Path.Split('/')[0])))
                continue;
            if (shown.Count >= most)
                more++;
            else
                shown[leaf.Path] = Convert.ToString(scalar.Value, CultureInfo.InvariantCulture) ?? "";
        }
        return shown;
    }

    /// <summary>A name as a person reads it.</summary>
    public static string Label(string name) => name.StartsWith(MetricPrefix, StringComparison.Ordinal) ? name[MetricPrefix.Length..]
        : name.StartsWith(SkipPrefix, StringComparison.Ordinal) ? $"skipped: {name[SkipPrefix.Length..]}"
        : name.Contains('/', StringComparison.Ordinal) ? name : name.Replace('_', ' ');

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}
