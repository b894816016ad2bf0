using Cairn.Cli.Listing;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;

namespace Cairn.Cli.Pruning;

/// <summary>A step's copies, and what becomes of them.</summary>
/// <param name="Copies">All that have the step: one folder, or files that belong together.</param>
/// <param name="Step">The step; <see langword="null"/> for what has none.</param>
/// <param name="IsRemoved">Whether they go.</param>
/// <param name="Why">Why they stay, or what is special about their going.</param>
internal sealed record PrunedStep(IReadOnlyList<ListedCopy> Copies, long? Step, bool IsRemoved, string? Why)
{
    /// <summary>The bytes of what only a restart needs, and which go; 0 when it stays as it is.</summary>
    public long BytesDropped { get; init; }

    public long Bytes => Copies.Sum(copy => copy.Bytes);

    public string Name => string.Join(", ", Copies.Select(copy => copy.Name));
}

/// <summary>Which checkpoints of a folder go. Pure.</summary>
internal static class PrunePlan
{
    private const string ByRule = "kept by rule";

    /// <summary>Applies a policy to what is listed. Snapshots are left alone: they rotate by themselves.</summary>
    /// <param name="copies">What is listed.</param>
    /// <param name="policy">What is worth keeping.</param>
    /// <param name="good">The newest copy that was read to its end and found good; it stays, and nothing above its step goes that is not complete.</param>
    /// <param name="best">Names that stay because the program that wrote them will ask for them.</param>
    /// <param name="metric">The metric by which the policy compares, if it does.</param>
    /// <param name="incompleteToo">Whether what is incomplete goes too, below the good copy's step.</param>
    /// <param name="explains">Whether each decision is explained by its rules.</param>
    public static IReadOnlyList<PrunedStep> Of(IReadOnlyList<ListedCopy> copies, IRetentionPolicy policy, ListedCopy good, IReadOnlySet<string> best, string? metric, bool incompleteToo, bool explains = false)
    {
        IGrouping<long?, ListedCopy>[] steps = [.. copies.Where(copy => copy.Kind != CopyKinds.Snapshot).GroupBy(copy => copy.Step).OrderBy(step => step.Key ?? -1)];
        var shared = SharedFiles.Among(copies.Select(copy => copy.Entry).OfType<CatalogEntry>());
        List<RetainedCheckpoint> known = [];
        foreach (IGrouping<long?, ListedCopy> step in steps)
        {
            if (step.Key is { } number && step.All(copy => copy is { Fault: null, IsLeftBehind: false }))
                known.Add(new RetainedCheckpoint(number, step.Sum(copy => copy.Bytes), MetricsOf(step), IsComplete: true, step.Max(copy => copy.Time) ?? default) { Shared = [.. step.SelectMany(copy => shared.Of(copy.Entry))] });
        }
        HashSet<long> stay = [.. steps.Where(step => step.Any(copy => copy == good || copy.Pins.Count > 0 || best.Contains(copy.Name))).Select(step => step.Key ?? -1)];
        HashSet<long> removed = [.. RetentionPlan.Decide(policy, known, stay)];
        PrunedStep[] plan = [.. steps.Select(step => Decide([.. step], step.Key, removed, good, best, metric, incompleteToo))];
        return explains ? Explained(plan, RetentionPlan.Explain(policy, known, stay)) : plan;
    }

    private static PrunedStep[] Explained(PrunedStep[] plan, IReadOnlyDictionary<long, string> reasons) =>
    [
        .. plan.Select(step => step with
        {
            Why = step.Step is not { } number || step.Copies.Any(copy => copy.Fault is not null || copy.IsLeftBehind) ? step.Why
                : !reasons.TryGetValue(number, out string? reason) ? step.IsRemoved ? "no rule keeps it" : step.Why
                : step.IsRemoved || step.Why == ByRule ? reason : $"{step.Why}; {reason}",
        }),
    ];

    private static PrunedStep Decide(ListedCopy[] copies, long? step, HashSet<long> removed, ListedCopy good, IReadOnlySet<string> best, string? metric, bool incompleteToo)
    {
        if (step is null)
            return new PrunedStep(copies, step, false, "its name has no step");
        if (copies.Any(copy => copy.IsOfOtherRun))
            return new PrunedStep(copies, step, false, "of another run");
        if (copies.SelectMany(copy => copy.Pins).FirstOrDefault() is { } pin)
            return new PrunedStep(copies, step, false, $"kept for {pin.Describe}");
        if (copies.Any(copy => copy.Fault is not null))
        {
            bool goes = incompleteToo && step < good.Step && copies.All(copy => copy.Fault is not null);
            return new PrunedStep(copies, step, goes, goes ? "incomplete" : incompleteToo ? "incomplete, and not older than the good copy" : "incomplete, left for inspection (--incomplete removes it)");
        }
        string? why = copies.Contains(good) ? "the newest good copy"
            : copies.Any(copy => best.Contains(copy.Name)) ? "the best model of its run"
            : copies.Any(copy => copy.IsLeftBehind) ? "of a branch that was left"
            : metric is not null && !MetricsOf(copies).ContainsKey(metric) ? $"has no metric '{metric}' of its step to compare"
            : ByRule;
        return removed.Contains(step.Value) ? new PrunedStep(copies, step, true, null) : new PrunedStep(copies, step, false, why);
    }

    /// <summary>Takes from those that stay what only a restart needs, but for the newest ones.</summary>
    /// <param name="plan">What goes and what stays, the lowest step first.</param>
    /// <param name="keep">How many of the newest checkpoints of the line keep all.</param>
    /// <param name="good">The newest copy that was found good, which keeps all: the newer ones cannot be used.</param>
    public static IReadOnlyList<PrunedStep> WithoutOptimizers(IReadOnlyList<PrunedStep> plan, int keep, ListedCopy good)
    {
        HashSet<PrunedStep> older = [.. plan.Where(step => !step.IsRemoved && step.Copies is [{ Kind: CopyKinds.Checkpoint, Fault: null, IsLeftBehind: false, IsOfOtherRun: false }]).OrderByDescending(step => step.Step).Skip(keep)];
        return [.. plan.Select(step => older.Contains(step) && step.Copies[0] is { Pins.Count: 0, Entry.Marker: { } marker } copy && copy != good && WeightsOnly.Of(marker) is { } smaller
            ? step with { BytesDropped = smaller.Dropped.Sum(file => file.Length) } : step)];
    }

    /// <summary>The bytes that come free when what goes is gone: a file that another copy has too stays.</summary>
    /// <param name="listing">All that stands.</param>
    /// <param name="plan">What goes.</param>
    public static long BytesFreed(CopyListing listing, IReadOnlyList<PrunedStep> plan)
    {
        SharedFiles shared = listing.Shared();
        var bytes = new DistinctBytes();
        foreach (ListedCopy copy in listing.Copies)
            bytes.Add(copy.Bytes, shared.Of(copy.Entry));
        Int128 freed = plan.Where(step => step.IsRemoved).SelectMany(step => step.Copies).Aggregate(Int128.Zero, (sum, copy) => sum + bytes.Remove(copy.Bytes, shared.Of(copy.Entry)));
        return (long)freed + plan.Sum(step => step.BytesDropped);
    }

    /// <summary>The measurements of a step's copies, by name.</summary>
    public static IReadOnlyDictionary<string, double> MetricsOf(IEnumerable<ListedCopy> copies) =>
        copies.Select(copy => copy.Entry?.Marker).FirstOrDefault(marker => marker is { IsDerived: false }) is { } marker
            ? TrainState.OwnMetricsIn(marker.Train) : new Dictionary<string, double>(StringComparer.Ordinal);
}
