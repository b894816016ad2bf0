using Cairn.Policies;

namespace Cairn.Saving;

/// <summary>Says which checkpoints the rule for the best keeps only because it cannot compare them. Pure.</summary>
internal static class UnmeasuredCheckpoints
{
    private const int MostNamed = 5;

    /// <summary>What to tell before anything is saved; <see langword="null"/> when the metric is known.</summary>
    /// <param name="train">The counters of the run, as they were resumed.</param>
    /// <param name="metric">The metric.</param>
    public static string? AtStart(TrainState train, string metric) => train.Metrics.ContainsKey(metric) ? null
        : $"KeepBest compares checkpoints by the metric '{metric}', which this run has not set yet{Names(train.Metrics.Keys, "; it has set")}. Checkpoints without it are all kept. {How(metric)}";

    /// <summary>What to tell at a decision; <see langword="null"/> when every checkpoint has the metric.</summary>
    /// <param name="checkpoints">The checkpoints that were decided on.</param>
    /// <param name="metric">The metric.</param>
    /// <param name="lastSet">The step at which it was set last.</param>
    public static string? AtDecision(IReadOnlyList<RetainedCheckpoint> checkpoints, string metric, long? lastSet)
    {
        long[] without = [.. checkpoints.Where(checkpoint => !checkpoint.Metrics.ContainsKey(metric)).Select(checkpoint => checkpoint.Step).Order()];
        if (without.Length == 0)
            return null;
        string when = lastSet is { } step ? $"; it was last set at step {step}" : "";
        string which = without.Length == checkpoints.Count
            ? $"no checkpoint has the metric '{metric}' of its own step{when}{Names(checkpoints.SelectMany(checkpoint => checkpoint.Metrics.Keys), "; they have")}"
            : $"{Counted.Of(without.Length, "checkpoint has", "checkpoints have")} no metric '{metric}' of {(without.Length == 1 ? "its" : "their")} own step ({string.Join(", ", without.TakeLast(MostNamed))}{(without.Length > MostNamed ? ", and older ones" : "")}){when}";
        return $"KeepBest keeps what it cannot compare: {which}. {How(metric)}";
    }

    private static string Names(IEnumerable<string> names, string before)
    {
        string[] known = [.. names.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        return known.Length == 0 ? "" : $"{before} {string.Join(", ", known.Take(MostNamed))}";
    }

    private static string How(string metric) => $"Set TrainState.Metrics[\"{metric}\"] after CompleteStep and before AfterBatch, at the steps that are saved.";
}
