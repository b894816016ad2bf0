using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>
/// The last stage of a save, on the first rank: names the best checkpoint in the run's folder, then removes the checkpoints of the line that the rules for keeping name. The best stays, what somebody has pinned, and what
/// another program or another run saved, which is not ours to remove.
/// </summary>
internal sealed class Retirement(IRunFiles files, IRetentionPolicy? policy, string? metric, TimeProvider time)
{
    /// <summary>As the options say; <see langword="null"/> when they keep all and know no best.</summary>
    public static Retirement? Of(CheckpointOptions options, IRunFiles files, TimeProvider time) => options is { KeepsAll: true, BestRule: null } ? null
        : new Retirement(files, options.KeepsAll ? null : options.CreateRetention(), options.RetentionMetric, time);

    /// <summary>Removes what need not be kept any more.</summary>
    /// <param name="publisher">The run's copies.</param>
    /// <param name="saved">What was saved just now; it is kept.</param>
    /// <param name="notes">Takes what a user should know.</param>
    /// <returns>The steps that are gone, and what kept others from going.</returns>
    public (IReadOnlyList<long> Retired, Exception? Error) Run(ICopyPublisher publisher, Marker saved, List<string> notes)
    {
        if (saved.Kind != SaveKind.Checkpoint)
            return ([], null);
        var retired = new List<long>();
        try
        {
            // Before anything goes: the pointer must not name what is removed below.
            if (saved.Best is { } best && best.Step == saved.Step)
                BestPointer.Write(files, best);
            if (policy is null)
                return (retired, null);
            var line = LineView.Of(saved);
            IReadOnlyList<CatalogEntry> entries = Catalog.Read(publisher.Files).Entries;
            RetainedCheckpoint[] known = [.. entries.Select(entry => Known(entry, line)).OfType<RetainedCheckpoint>()];
            if (metric is not null && UnmeasuredCheckpoints.AtDecision(known, metric, TrainState.FromState(saved.Train).StepOfMetric(metric)) is { } note)
                notes.Add(note);
            CopyPins pins = CopyPins.Read(files, time.GetUtcNow());
            HashSet<long> stay = [saved.Step, .. entries.Where(entry => entry.Kind == SaveKind.Checkpoint && pins.Hold(entry)).Select(entry => entry.Step)];
            if (saved.Best is not null && BestCopy.Of(entries, line, new BestRule(saved.Best.Metric, saved.Best.HigherIsBetter)) is { } kept)
                stay.Add(kept.Step);
            foreach (long step in RetentionPlan.Decide(policy, known, stay))
            {
                if (publisher.Retire(step))
                    retired.Add(step);
            }
            return (retired, null);
        }
        // The copy is saved, whatever a rule of the user's throws.
        catch (Exception e)
        {
            return (retired, e);
        }
    }

    private static RetainedCheckpoint? Known(CatalogEntry entry, LineView line) => entry is { Kind: SaveKind.Checkpoint, Marker: { IsDerived: false } marker } && line.Holds(entry)
        ? new RetainedCheckpoint(entry.Step, marker.Files.Sum(file => file.Length), TrainState.OwnMetricsIn(marker.Train), true, marker.Time) : null;
}
