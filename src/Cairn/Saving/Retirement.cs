using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;

namespace Cairn.Saving;

/// <summary>The last stage of a save: removes the checkpoints of the line that the rules for keeping name, on the first rank. What another program or another run saved is not ours to remove.</summary>
internal sealed class Retirement(IRetentionPolicy policy, string? metric)
{
    /// <summary>As the options say; <see langword="null"/> when they keep all.</summary>
    public static Retirement? Of(CheckpointOptions options) => options.KeepsAll ? null
        : new Retirement(options.CreateRetention(), options.RetentionMetric);

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
            RetainedCheckpoint[] known = [.. Catalog.Read(publisher.Files).Entries.Select(entry => Known(entry, LineView.Of(saved))).OfType<RetainedCheckpoint>()];
            if (metric is not null && UnmeasuredCheckpoints.AtDecision(known, metric, TrainState.FromState(saved.Train).StepOfMetric(metric)) is { } note)
                notes.Add(note);
            foreach (long step in RetentionPlan.Decide(policy, known, new HashSet<long> { saved.Step }))
            {
                publisher.Retire(step);
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
        ? new RetainedCheckpoint(entry.Step, marker.Files.Sum(file => file.Length), TrainState.FromState(marker.Train).OwnMetrics, true, marker.Time) : null;
}
