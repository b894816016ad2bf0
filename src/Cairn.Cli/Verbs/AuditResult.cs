using Cairn.Advice.Audit;
using Cairn.Cli.Output;
using Cairn.Policies;

namespace Cairn.Cli.Verbs;

/// <summary>The result of <c>cairn audit</c>.</summary>
internal sealed record AuditResult(
    string Source, string RecordedBy, AuditConfigured Configured, AuditExecuted Executed, IReadOnlyList<AuditProcess> Processes, IReadOnlyList<AuditMissing> Missing,
    IReadOnlyList<AuditFound> Findings)
{
    public static AuditResult Of(string source, AuditReport report)
    {
        RunConfiguration configuration = report.Configuration;
        RecordedSave[] saved = [.. report.Saved];
        return new AuditResult(
            source, report.History.Source.ToString().ToLowerInvariant(),
            new AuditConfigured(
                configuration.Enabled, configuration.TotalSteps, configuration.CheckpointEvery, configuration.SnapshotEvery, configuration.CheckpointRule, configuration.SnapshotRule, configuration.Folder, configuration.Inferred),
            new AuditExecuted(
                report.Steps, report.Batches, report.Skips.Values.Sum(), report.Skips, report.LostSteps, report.LostAtLeast, saved.Count(save => save.Kind == SaveKind.Checkpoint), saved.Count(save => save.Kind == SaveKind.Snapshot),
                report.Due.Count(due => due.Kind == SaveKind.Checkpoint), report.Due.Count(due => due.Kind == SaveKind.Snapshot), saved.Sum(save => save.Bytes), report.FinalCheckpoint, report.WhyNoFinal,
                report.ActiveTime.TotalSeconds, report.Stall.TotalSeconds, report.ActiveTime > TimeSpan.Zero ? report.Stall / report.ActiveTime : 0),
            [.. report.History.Sessions.Select(AuditProcess.Of)],
            [.. report.Due.Where(due => due.WhyMissing is not null).Select(due => new AuditMissing(due.Step, due.Kind.ToString().ToLowerInvariant(), due.WhyMissing!))],
            [.. report.Findings.Select(finding => new AuditFound(Words.Snake(finding.Fault.ToString()), finding.IsHarmful, finding.Message, finding.Advice.Length > 0 ? finding.Advice : null))]);
    }
}

/// <summary>What the run was told.</summary>
internal sealed record AuditConfigured(
    bool? Enabled, long? TotalSteps, long? CheckpointEvery, long? SnapshotEvery, string? CheckpointRule, string? SnapshotRule, string? Folder, IReadOnlyList<string> Inferred);

/// <summary>What it did.</summary>
internal sealed record AuditExecuted(
    long Steps, long Batches, long Skipped, IReadOnlyDictionary<string, long> SkipsByReason, long LostSteps, bool LostAtLeast, long Checkpoints, long Snapshots, long DueCheckpoints, long DueSnapshots,
    long Bytes, string? FinalCheckpoint, string? WhyNoFinal, double Seconds, double StallSeconds, double StallShare);

/// <summary>One of its processes.</summary>
internal sealed record AuditProcess(
    DateTimeOffset? Started, DateTimeOffset? Ended, long FirstStep, long LastStep, long Batches, string? ResumedFrom, long LostSteps, bool LostAtLeast, string End, string? Error, long Skipped, int Saves, IReadOnlyList<string> PassedOver)
{
    public static AuditProcess Of(RunSession session) => new(
        session.Started, session.Ended, session.FirstStep, session.LastStep, Math.Max(session.LastBatch - session.FirstBatch, session.LastStep - session.FirstStep), session.ResumedFrom, session.LostSteps, session.LostAtLeast,
        session.End.ToString().ToLowerInvariant(), session.Error, session.Skips.Sum(skip => skip.Count), session.Saves.Count(save => save.Outcome == SaveOutcome.Saved), [.. session.PassedOver]);
}

/// <summary>A save that was due and is missing.</summary>
internal sealed record AuditMissing(long Step, string Kind, string Why);

/// <summary>Something that was found.</summary>
internal sealed record AuditFound(string Fault, bool Harmful, string Message, string? Advice);
