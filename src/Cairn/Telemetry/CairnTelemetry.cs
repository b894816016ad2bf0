using System.Diagnostics;
using System.Diagnostics.Metrics;
using Cairn.Policies;

namespace Cairn.Telemetry;

/// <summary>The names under which Cairn can be observed; add them to any OpenTelemetry set-up. docs/telemetry.md lists what is measured.</summary>
public static class CairnTelemetry
{
    /// <summary>Name of the <see cref="ActivitySource"/> and of the <see cref="System.Diagnostics.Metrics.Meter"/>.</summary>
    public const string SourceName = "Cairn";

    internal static readonly ActivitySource Activities = new(SourceName);
    internal static readonly Meter Meter = new(SourceName);

    // The standard ones are for milliseconds: a stall is shorter than their first second, and a save to an object store longer than a minute.
    private static readonly InstrumentAdvice<double> Stalls = new() { HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] };
    private static readonly InstrumentAdvice<double> Durations = new() { HistogramBucketBoundaries = [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600] };
    private static readonly InstrumentAdvice<long> Sizes = new() { HistogramBucketBoundaries = [1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000, 100_000_000_000, 1_000_000_000_000, 10_000_000_000_000] };

    internal static readonly Histogram<double> Stall =
        Meter.CreateHistogram("cairn.save.stall", "s", "Time for which training waited because of a save.", null, Stalls);
    internal static readonly Histogram<double> SaveDuration =
        Meter.CreateHistogram("cairn.save.duration", "s", "From the decision to save until the copy was durable.", null, Durations);
    internal static readonly Histogram<double> RecoverableDuration =
        Meter.CreateHistogram("cairn.save.recoverable", "s", "From the decision to save until the copy was complete in the fast folder.", null, Durations);
    internal static readonly Histogram<long> Size =
        Meter.CreateHistogram("cairn.save.size", "By", "Size of a copy that became durable.", null, Sizes);
    internal static readonly Counter<long> Saves =
        Meter.CreateCounter<long>("cairn.saves", "{save}", "Saves that ended, by how they ended.");
    internal static readonly Counter<long> SkippedBatches =
        Meter.CreateCounter<long>("cairn.skipped_batches", "{batch}", "Batches that made no step.");
    internal static readonly Counter<long> ResumeCopies =
        Meter.CreateCounter<long>("cairn.resume.copies", "{copy}", "Copies that a start looked at: the one that was taken, and those that were refused.");
    internal static readonly Counter<long> LostSteps =
        Meter.CreateCounter<long>("cairn.resume.lost_steps", "{step}", "Steps that were complete before a crash and have to be repeated.");

    /// <summary>Records a save that ended.</summary>
    internal static void Record(SaveReport report)
    {
        KeyValuePair<string, object?> kind = Attribute("cairn.kind", report.Kind);
        if (!report.IsDrained)
            Stall.Record(report.Stall.TotalSeconds, kind);
        if (report.Outcome == SaveOutcome.Recoverable)
            RecoverableDuration.Record(report.Duration.TotalSeconds, kind);
        if (report.Outcome == SaveOutcome.Saved)
        {
            SaveDuration.Record(report.Duration.TotalSeconds, kind);
            Size.Record(report.Bytes, kind);
        }
        Saves.Add(1, kind, report.IsRetried ? new("cairn.outcome", "drain_failed") : Attribute("cairn.outcome", report.Outcome));
    }

    /// <summary>Records what a start looked at.</summary>
    internal static void Record(ResumeReport resume)
    {
        // A series that begins with its first failure hides it from whoever asks for the increase.
        foreach (SaveKind kind in Enum.GetValues<SaveKind>())
        {
            foreach (SaveOutcome outcome in (ReadOnlySpan<SaveOutcome>)[SaveOutcome.Saved, SaveOutcome.Failed, SaveOutcome.Refused, SaveOutcome.Dropped])
                Saves.Add(0, Attribute("cairn.kind", kind), Attribute("cairn.outcome", outcome));
        }
        int refused = resume.PassedOver.Select(fault => fault.Folder).Distinct(StringComparer.Ordinal).Count();
        if (refused > 0)
            ResumeCopies.Add(refused, new KeyValuePair<string, object?>("cairn.outcome", "refused"));
        if (!resume.IsFresh)
            ResumeCopies.Add(1, new KeyValuePair<string, object?>("cairn.outcome", "verified"));
        LostSteps.Add(resume.LostSteps);
    }

    /// <summary>The value of an attribute as it is exported.</summary>
    internal static KeyValuePair<string, object?> Attribute<T>(string name, T value) where T : struct, Enum => new(name, value.ToString().ToLowerInvariant());
}
