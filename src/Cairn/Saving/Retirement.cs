using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>What a retirement did.</summary>
/// <param name="Retired">The steps that are gone.</param>
/// <param name="Shrunk">The steps that have only weights now.</param>
/// <param name="Error">What kept others from going.</param>
internal sealed record RetirementResult(IReadOnlyList<long> Retired, IReadOnlyList<long> Shrunk, Exception? Error)
{
    public static RetirementResult Nothing { get; } = new([], [], null);

    /// <summary>The report of the save after which it was.</summary>
    public SaveReport In(SaveReport report) => report with { Retired = Retired, WeightsOnly = Shrunk, RetentionError = Error };
}

/// <summary>
/// The last stage of a save, on the first rank: names the best checkpoint in the run's folder, then removes the checkpoints of the line that the rules for keeping name. The best stays, what somebody has pinned, and what
/// another program or another run saved, which is not ours to remove. Of those that stay, the older ones lose what only a restart needs, when the options say so.
/// </summary>
internal sealed class Retirement(IRunFiles files, KnownCopies known, IRetentionPolicy? policy, string? metric, int? keepOptimizer, TimeProvider time)
{
    // Of the copies that stay, so many of the newest are looked at again before others go: with the usual rules all of them, and of a run that keeps hundreds enough.
    private const int MostLookedAtAgain = 8;

    /// <summary>As the options say; <see langword="null"/> when they keep all and know no best.</summary>
    public static Retirement? Of(CheckpointOptions options, IRunFiles files, TimeProvider time) => options is { KeepsAll: true, BestRule: null, KeepOptimizer: null } ? null
        : new Retirement(files, new KnownCopies(), options.KeepsAll ? null : options.CreateRetention(), options.RetentionMetric, options.KeepOptimizer, time);

    /// <summary>Removes what need not be kept any more.</summary>
    /// <param name="publisher">The run's copies.</param>
    /// <param name="saved">What was saved just now; it is kept.</param>
    /// <param name="notes">Takes what a user should know.</param>
    public RetirementResult Run(ICopyPublisher publisher, Marker saved, List<string> notes)
    {
        List<long> retired = [], shrunk = [];
        if (saved.Kind != SaveKind.Checkpoint)
            return RetirementResult.Nothing;
        try
        {
            // Before anything goes: the pointer must not name what is removed below.
            if (saved.Best is { } best && best.Step == saved.Step)
                BestPointer.Write(files, best);
            if (policy is null && keepOptimizer is null)
                return RetirementResult.Nothing;
            Removals removals = Plan(publisher, saved);
            if (!KnownCopies.AreAsKnown(publisher.Files, removals.ReliedOn))
            {
                known.ForgetAll();
                removals = Plan(publisher, saved);
            }
            if (removals.Note is { } note)
                notes.Add(note);
            retired.AddRange(removals.Retire.Where(publisher.Retire));
            known.Forget(removals.Shrink);
            shrunk.AddRange(removals.Shrink.Where(entry => publisher.Shrink(entry, WeightsOnly.Of(entry.Marker!) ?? entry.Marker!)).Select(entry => entry.Step));
            return new RetirementResult(retired, shrunk, null);
        }
        // The copy is saved, whatever a rule of the user's throws.
        catch (Exception e)
        {
            known.ForgetAll();
            return new RetirementResult(retired, shrunk, e);
        }
    }

    private Removals Plan(ICopyPublisher publisher, Marker saved)
    {
        var line = LineView.Of(saved);
        IReadOnlyList<CatalogEntry> entries = known.Read(publisher.Files, line, saved.Step);
        CopyPins pins = CopyPins.Read(files, time.GetUtcNow());
        long? best = saved.Best is null ? null : BestCopy.Of(entries, line, new BestRule(saved.Best.Metric, saved.Best.HigherIsBetter))?.Step;
        (IReadOnlyList<long> retire, string? note) = policy is null ? ([], null) : ToRetire(policy, saved, best, entries, line, pins);
        CatalogEntry[] own = [.. entries.Where(entry => entry.Kind == SaveKind.Checkpoint && entry.Step != saved.Step && line.Holds(entry))];
        CatalogEntry[] goes = [.. own.Where(entry => retire.Contains(entry.Step))];
        CatalogEntry[] shrink = keepOptimizer is { } keep ? [.. WeightsOnly.Among(entries.Except(goes), line, keep, pins)] : [];
        CatalogEntry[] reliedOn = goes.Length + shrink.Length == 0 ? []
            : [.. goes, .. shrink, .. own.Except(goes).Take(Math.Max(MostLookedAtAgain, keepOptimizer ?? 0)), .. own.Where(entry => entry.Step == best)];
        return new Removals(retire, shrink, [.. reliedOn.Distinct()], note);
    }

    private (IReadOnlyList<long> Steps, string? Note) ToRetire(IRetentionPolicy rule, Marker saved, long? best, IReadOnlyList<CatalogEntry> entries, LineView line, CopyPins pins)
    {
        RetainedCheckpoint[] checkpoints = Known(entries, line);
        HashSet<long> stay = [saved.Step, .. entries.Where(entry => entry.Kind == SaveKind.Checkpoint && pins.Hold(entry)).Select(entry => entry.Step)];
        if (best is { } kept)
            stay.Add(kept);
        return (RetentionPlan.Decide(rule, checkpoints, stay), metric is null ? null : UnmeasuredCheckpoints.AtDecision(checkpoints, metric, TrainState.FromState(saved.Train).StepOfMetric(metric)));
    }

    /// <summary>The checkpoints that retention decides on, as it sees them.</summary>
    /// <param name="entries">The run's copies.</param>
    /// <param name="line">The line.</param>
    /// <param name="shared">What they share; <see langword="null"/> to look for it.</param>
    public static RetainedCheckpoint[] Known(IEnumerable<CatalogEntry> entries, LineView line, SharedFiles? shared = null)
    {
        CatalogEntry[] own = [.. entries.Where(entry => entry is { Kind: SaveKind.Checkpoint, Marker.IsDerived: false } && line.Holds(entry))];
        shared ??= SharedFiles.Among(own);
        return [.. own.Select(entry => new RetainedCheckpoint(entry.Step, entry.Marker!.Bytes, TrainState.OwnMetricsIn(entry.Marker.Train), true, entry.Marker.Time) { Shared = shared.Of(entry) })];
    }

    // What is to go, what is to have only weights, and the copies that must be as they are known to be before anything does.
    private sealed record Removals(IReadOnlyList<long> Retire, IReadOnlyList<CatalogEntry> Shrink, IReadOnlyList<CatalogEntry> ReliedOn, string? Note);
}
