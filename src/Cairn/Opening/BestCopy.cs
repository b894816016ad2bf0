using Cairn.Checkpoints;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>
/// Which checkpoint of a line is the best. Each marker says which was the best when it was written, so that the newest knows, whatever became of the pointer in the run's folder
/// (<see cref="BestPointer"/>). Where that checkpoint is gone, the best of those that are left is found by the metric that each has of its own step.
/// </summary>
internal static class BestCopy
{
    /// <summary>Finds it.</summary>
    /// <param name="entries">The run's copies, the highest step first.</param>
    /// <param name="line">The line.</param>
    /// <param name="rule">The metric; <see langword="null"/> for the one by which the run was saved.</param>
    public static BestCheckpoint? Of(IReadOnlyList<CatalogEntry> entries, LineView line, BestRule? rule = null)
    {
        BestCheckpoint? recorded = entries.FirstOrDefault(line.Holds)?.Marker!.Best;
        if (recorded is not null && (rule is null || (rule.Metric == recorded.Metric && rule.HigherIsBetter == recorded.HigherIsBetter)) && Stands(entries, line, recorded))
            return recorded;
        rule ??= recorded is null ? null : new BestRule(recorded.Metric, recorded.HigherIsBetter);
        return rule is null ? null : Measured(entries, line, rule);
    }

    /// <summary>The best by a run's own folder or address, which no longer need be trained.</summary>
    public static BestCheckpoint? Of(IFileSource files)
    {
        Catalog catalog = Catalog.Read(files);
        return RunRecord.LoadOrRebuild(files, catalog, out _) is { } run ? Of(catalog.Entries, LineView.Of(run)) : null;
    }

    /// <summary>Whether a path may mean the best checkpoint of the run in which it stands: its last name is <c>best</c>, and nothing stands there.</summary>
    public static bool IsMeant(string full) =>
        PlacePath.Name(full) == RunFolder.BestName && PlacePath.Parent(full) is { } parent && PlacePath.Open(parent) is var run && !run.FileExists(RunFolder.BestName) && !run.FolderExists(RunFolder.BestName) && run.FolderExists("");

    /// <summary>A whole path, with the best checkpoint's folder in the place of <c>best</c>.</summary>
    /// <exception cref="CheckpointException">The run has none.</exception>
    public static string Resolved(string full)
    {
        if (!IsMeant(full))
            return full;
        string run = PlacePath.Parent(full)!;
        BestCheckpoint best = Of(PlacePath.Open(run)) ?? throw None(run);
        return $"{run}/{RunFolder.Checkpoint(best.Step)}";
    }

    /// <summary>What to say when there is no best.</summary>
    public static CheckpointException None(string run) => new(
        $"{run} has no best checkpoint: no copy of its present line was saved with SaveBestMetric, or has that metric of its own step. Name a step; cairn ls {run} lists them.") { Path = run };

    /// <summary>Whether a checkpoint is complete, of the line, and has that value.</summary>
    public static bool Stands(IReadOnlyList<CatalogEntry> entries, LineView line, BestCheckpoint best) =>
        entries.Any(entry => entry.Kind == SaveKind.Checkpoint && entry.Step == best.Step && line.Holds(entry) && ValueOf(entry, best.Metric).Equals(best.Value));

    // Of equal ones the older: the newer was no improvement.
    private static BestCheckpoint? Measured(IReadOnlyList<CatalogEntry> entries, LineView line, BestRule rule)
    {
        BestCheckpoint? best = null;
        foreach (CatalogEntry entry in entries.Where(entry => entry.Kind == SaveKind.Checkpoint && line.Holds(entry)).OrderBy(entry => entry.Step))
        {
            if (ValueOf(entry, rule.Metric) is { } value && (rule with { MinDelta = 0 }).IsBetter(value, best?.Value))
                best = new BestCheckpoint(entry.Step, rule.Metric, value, rule.HigherIsBetter);
        }
        return best;
    }

    private static double? ValueOf(CatalogEntry entry, string metric) => entry.Marker is { IsDerived: false } marker && TrainState.OwnMetricsIn(marker.Train).TryGetValue(metric, out double value) ? value : null;
}
