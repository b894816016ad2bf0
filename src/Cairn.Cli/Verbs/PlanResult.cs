using System.Globalization;
using Cairn.Advice;

namespace Cairn.Cli.Verbs;

/// <summary>The result of <c>cairn plan</c>.</summary>
internal sealed record PlanResult(
    PlanGiven Given, IReadOnlyList<string> Assumed, string? Checked, PlanOptions Options, PlanRecommendation Recommendation, PlanForecast? Forecast,
    IReadOnlyList<PlanTrapFound> Warnings, IReadOnlyList<string> Failures, IReadOnlyList<string> Notes)
{
    /// <summary>The interval that results where snapshots have none.</summary>
    public PlanSnapshots? Snapshots { get; init; }
}

/// <summary>How often a snapshot is taken where there is no interval of them.</summary>
internal sealed record PlanSnapshots(double IntervalSeconds, long IntervalSteps, string Reason)
{
    public static PlanSnapshots? Of(CheckpointPlan? plan) => plan?.Continuous is { } found ? new(found.Interval.TotalSeconds, found.Steps, found.Reason) : null;
}

/// <summary>What the plan is made for.</summary>
internal sealed record PlanGiven(
    long TotalSteps, double StepSeconds, long StateBytes, double WriteBytesPerSecond, double CopyBytesPerSecond, double MtbfSeconds, double RestartSeconds,
    long? SpaceBytes, double OverheadBudget, bool Asynchronous)
{
    /// <summary>Of the state, the bytes that training does not change and that all copies share; absent for none.</summary>
    public long? FrozenBytes { get; init; }

    public static PlanGiven Of(PlanRequest request) => new(
        request.TotalSteps, request.StepTime.TotalSeconds, request.StateBytes, request.WriteRate, request.CopyRate, request.MeanTimeBetweenFailures.TotalSeconds,
        request.Restart.TotalSeconds, request.SpaceLimit, request.OverheadBudget, request.Asynchronous)
    { FrozenBytes = request.FrozenBytes > 0 ? request.FrozenBytes : null };
}

/// <summary>The options of a plan. <see cref="SnapshotStallBudget"/> instead of <see cref="SnapshotEvery"/> where that is <c>auto</c>.</summary>
internal sealed record PlanOptions(
    long? CheckpointEvery, string? CheckpointInterval, long? SnapshotEvery, string? SnapshotInterval, bool Asynchronous, int? KeepLast, long? KeepEvery, int? KeepBest, long? KeepWithinBytes, int? KeepOptimizer, double? SnapshotStallBudget)
{
    public static PlanOptions Of(CheckpointOptions options) => new(
        options.CheckpointEvery, Text(options.CheckpointInterval), options.SnapshotsAreContinuous ? null : options.SnapshotSteps ?? 0, Text(options.SnapshotInterval), options.Asynchronous,
        options.KeepLast, options.KeepEvery, options.KeepBest, options.KeepWithinBytes, options.KeepOptimizer,
        options.SnapshotsAreContinuous ? options.SnapshotStallBudget : null);

    private static string? Text(TimeSpan? interval) => interval?.ToString("c", CultureInfo.InvariantCulture);
}

/// <summary>What is recommended, and why.</summary>
internal sealed record PlanRecommendation(PlanOptions Options, double YoungSeconds, double DalySeconds, IReadOnlyList<string> Reasons);

/// <summary>A trap that was found.</summary>
internal sealed record PlanTrapFound(string Trap, bool Harmful, string Message);

/// <summary>A copy at the end of the run.</summary>
internal sealed record PlanCopy(long Step, string Kind, string Reason);

/// <summary>What the options do to the run.</summary>
internal sealed record PlanForecast(
    double Seconds, long Checkpoints, long Snapshots, long DroppedSnapshots, double StallSecondsPerSave, double DurableAfterSeconds, double StallSeconds, double Overhead,
    double BytesWritten, long PeakBytes, long? SpaceRunsOutAtStep, double MeanLossSeconds, double WorstLossSeconds, double ExpectedFailures, double ExpectedLossSeconds,
    double? ExpectedSeconds, IReadOnlyList<PlanSpace> Space, IReadOnlyList<PlanCopy> AtEnd)
{
    public static PlanForecast Of(CheckpointPlan plan)
    {
        Forecast forecast = plan.Forecast;
        return new PlanForecast(
            forecast.Duration.TotalSeconds, forecast.Checkpoints, forecast.Snapshots, forecast.Dropped, plan.Request.Stall.TotalSeconds, plan.Request.DurableAfter.TotalSeconds,
            forecast.Stall.TotalSeconds, forecast.Overhead, (double)forecast.BytesWritten, forecast.PeakBytes, forecast.FirstWithoutSpace?.Step,
            forecast.MeanLoss.TotalSeconds, forecast.WorstLoss.TotalSeconds, plan.Failures, plan.ExpectedLoss.TotalSeconds,
            plan.ExpectedDuration == TimeSpan.MaxValue ? null : plan.ExpectedDuration.TotalSeconds,
            [.. forecast.Space.Select(point => new PlanSpace(point.Step, point.Bytes))],
            [.. forecast.AtEnd.Select(copy => new PlanCopy(copy.Step, copy.Kind.ToString().ToLowerInvariant(), copy.Reason.ToString().ToLowerInvariant()))]);
    }
}

/// <summary>Bytes on the disk after a save.</summary>
internal sealed record PlanSpace(long Step, long Bytes);
