using Cairn.Advice.Audit;
using Cairn.Cli.Runs;

namespace Cairn.Cli.Verbs;

/// <summary>One look of <c>cairn watch</c>; with <c>--json</c> one line each.</summary>
internal sealed record WatchResult(
    string Run, string State, DateTimeOffset? Time, long? Step, long? Batch, long? TotalSteps, double? Loss, double? StepsPerSecond, double? SecondsLeft,
    long? DurableStep, double? DurableSeconds, long AtRiskSteps, double? AtRiskSeconds,
    long? NextCheckpoint, double? NextCheckpointSeconds, long? NextSnapshot, double? NextSnapshotSeconds, long Skipped, IReadOnlyDictionary<string, long> SkipsByReason, IReadOnlyList<WatchSave> LastSaves,
    string? SnapshotRule)
{
    private const int Saves = 5;

    public static WatchResult Of(string run, RunMonitor monitor, DateTimeOffset at)
    {
        RunProgress? now = monitor.Progress;
        RunConfiguration told = monitor.History.Configuration;
        double? left = now?.TotalSteps is { } total ? Seconds(total - now.Step) : null;
        bool goesOn = monitor.End == SessionEnd.Running;
        (long? checkpoint, long? snapshot) = !goesOn ? (null, null) : (monitor.Next(told.CheckpointEvery), monitor.Next(told.SnapshotEvery));
        // A checkpoint takes the place of the snapshot that is due with it.
        if (snapshot == checkpoint && snapshot is { } same)
            snapshot = monitor.Next(told.SnapshotEvery) is not null && !(same + told.SnapshotEvery > now?.TotalSteps) ? same + told.SnapshotEvery : null;
        RunRisk risk = RunRisk.Of(monitor.History, now, at);
        SortedDictionary<string, long> skips = RunAudit.Skips(monitor.History);
        return new WatchResult(
            run, monitor.End switch { SessionEnd.Running => monitor.IsAlive is null ? "unknown" : "training", SessionEnd.Unknown => "killed", SessionEnd.Failed => "aborted", var end => end.ToString().ToLowerInvariant() },
            now?.Time, now?.Step, now?.Batch, now?.TotalSteps ?? told.TotalSteps, now?.Loss, monitor.Rate, left, risk.DurableStep, risk.DurableAge?.TotalSeconds, risk.Steps, risk.Time?.TotalSeconds, checkpoint, Until(checkpoint), snapshot, Until(snapshot), now?.Skipped ?? 0, skips,
            [.. monitor.History.Sessions.SelectMany(session => session.Saves).TakeLast(Saves).Reverse().Select(WatchSave.Of)],
            goesOn && told.SnapshotEvery is null && told.SnapshotRule is not "never" ? told.SnapshotRule : null);

        double? Until(long? step) => step is { } at && now is not null ? Seconds(at - now.Step) : null;
        double? Seconds(long steps) => monitor.Rate is > 0 and { } rate ? steps / rate : null;
    }
}

/// <summary>A save that ended.</summary>
internal sealed record WatchSave(long Step, string Kind, string? Reason, string Outcome, double StallSeconds, double? Seconds, long Bytes, DateTimeOffset? Time, string? Error)
{
    public static WatchSave Of(RecordedSave save) => new(
        save.Step, save.Kind.ToString().ToLowerInvariant(), save.Reason, save.Outcome.ToString().ToLowerInvariant(), save.Stall.TotalSeconds, save.Duration?.TotalSeconds, save.Bytes, save.Time, save.Error);
}
