using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Cairn.Telemetry;

/// <summary>The names under which Cairn can be observed; add them to any OpenTelemetry set-up.</summary>
public static class CairnTelemetry
{
    /// <summary>Name of the <see cref="ActivitySource"/> and of the <see cref="Meter"/>.</summary>
    public const string SourceName = "Cairn";

    internal static readonly ActivitySource Activities = new(SourceName);

    private static readonly Meter Meter = new(SourceName);

    internal static readonly Histogram<double> SaveDuration =
        Meter.CreateHistogram<double>("cairn.save.duration", "s", "From the decision to save until the copy is durable.");
    internal static readonly Histogram<double> RecoverableDuration =
        Meter.CreateHistogram<double>("cairn.save.recoverable", "s", "From the decision to save until the copy is complete in the fast folder.");
    internal static readonly Histogram<double> Stall =
        Meter.CreateHistogram<double>("cairn.save.stall", "s", "Time for which training waited because of a save.");
    internal static readonly Counter<long> SavedBytes =
        Meter.CreateCounter<long>("cairn.save.bytes", "By", "Bytes of committed copies.");
    internal static readonly Counter<long> Failures =
        Meter.CreateCounter<long>("cairn.save.failures", "{save}", "Saves that failed, were refused or were dropped.");
    internal static readonly Counter<long> LostSteps =
        Meter.CreateCounter<long>("cairn.resume.lost_steps", "{step}", "Steps that were complete before a crash and have to be repeated.");

    /// <summary>Records a save that ended.</summary>
    internal static void Record(SaveReport report)
    {
        var kind = new KeyValuePair<string, object?>("cairn.kind", report.Kind.ToString().ToLowerInvariant());
        if (!report.IsDrained)
            Stall.Record(report.Stall.TotalSeconds, kind);
        if (report.Outcome == SaveOutcome.Recoverable)
        {
            RecoverableDuration.Record(report.Duration.TotalSeconds, kind);
        }
        else if (report.Outcome == SaveOutcome.Saved)
        {
            SaveDuration.Record(report.Duration.TotalSeconds, kind);
            SavedBytes.Add(report.Bytes, kind);
        }
        else
        {
            Failures.Add(1, kind, new KeyValuePair<string, object?>("cairn.outcome", report.Outcome.ToString().ToLowerInvariant()));
        }
    }
}
