using System.Globalization;
using Cairn.Policies;

namespace Cairn.Advice.Audit;

/// <summary>Compares what a run was told with what it did.</summary>
public static class RunAudit
{
    private const double SlowShare = 0.1;
    // Of a shorter run the share says little.
    private static readonly TimeSpan LongEnough = TimeSpan.FromMinutes(1);
    private const int MostNamed = 6;

    /// <summary>Audits a run.</summary>
    /// <param name="history">What its record says.</param>
    /// <param name="given">What is known besides; wins over the record.</param>
    /// <param name="onDisk">The copies that stand in its folder; <see langword="null"/> when the folder is not at hand.</param>
    public static AuditReport Of(RunHistory history, RunConfiguration? given = null, IReadOnlyList<CopyOnDisk>? onDisk = null)
    {
        ArgumentNullException.ThrowIfNull(history);
        RunConfiguration configuration = (given ?? new RunConfiguration()).Over(history.Configuration);
        configuration = configuration with { Inferred = [.. history.Configuration.Inferred.Where(name => (name == "snapshot_every" ? given?.SnapshotEvery : given?.CheckpointEvery) is null)] };
        RunSession? last = history.Sessions.Count > 0 ? history.Sessions[^1] : null;
        (string? final, string? whyNot) = FinalCheckpoint.Find(history, configuration, onDisk);
        var report = new AuditReport
        {
            History = history,
            Configuration = configuration,
            Steps = last?.LastStep ?? 0,
            Batches = Math.Max(last?.LastBatch ?? 0, last?.LastStep ?? 0),
            Skips = Skips(history),
            LostSteps = history.Sessions.Sum(session => session.LostSteps),
            LostAtLeast = history.Sessions.Any(session => session.LostAtLeast),
            Due = history is { TellsSaves: true, NamesSaves: true } ? DueSaves.Of(history, configuration) : [],
            FinalCheckpoint = final,
            WhyNoFinal = whyNot,
            ActiveTime = history.Sessions.Aggregate(TimeSpan.Zero, (sum, session) => sum + (session.Ended - session.Started ?? TimeSpan.Zero)),
            Stall = history.Sessions.SelectMany(session => session.Saves).Aggregate(TimeSpan.Zero, (sum, save) => sum + save.Stall),
            Findings = [],
        };
        return report with { Findings = [.. Findings(report, onDisk).OrderByDescending(finding => finding.IsHarmful)] };
    }

    // A later process that resumed before a skip has that batch again.
    internal static SortedDictionary<string, long> Skips(RunHistory history)
    {
        SortedDictionary<string, long> reasons = new(StringComparer.Ordinal);
        for (int i = 0; i < history.Sessions.Count; i++)
        {
            long kept = history.Sessions.Skip(i + 1).Select(later => later.FirstBatch).DefaultIfEmpty(long.MaxValue).Min();
            foreach (SkippedBatch skip in history.Sessions[i].Skips.Where(skip => skip.Batch <= kept))
                reasons[skip.Reason] = reasons.GetValueOrDefault(skip.Reason) + skip.Count;
        }
        return reasons;
    }

    private static IEnumerable<AuditFinding> Findings(AuditReport report, IReadOnlyList<CopyOnDisk>? onDisk)
    {
        if (report.Configuration.Enabled == false)
            yield return new AuditFinding(AuditFault.NothingSaved, true, "Saving was switched off.", "Set enable_save_ckpt (Enabled) to true.");
        if (report.FinalCheckpoint is null && onDisk is null && !report.History.TellsSaves)
            yield return new AuditFinding(AuditFault.UnreadableRecord, false, "The log does not tell what was saved.", "Look into the folder: cairn verify says of each copy there whether it is whole.");
        else if (report.FinalCheckpoint is null && report.Steps > 0 && report.History.Sessions[^1].End != SessionEnd.Running)
            yield return FinalCheckpoint.Finding(report, onDisk);
        foreach (SaveKind kind in (SaveKind[])[SaveKind.Checkpoint, SaveKind.Snapshot])
        {
            DueSave[] missing = [.. report.Due.Where(due => due.Kind == kind && due.WhyMissing is not null)];
            if (missing.Length > 0)
                yield return Missing(kind, missing);
        }
        if (!report.History.NamesSaves)
            yield return new AuditFinding(AuditFault.UnreadableRecord, false, "The log does not name the steps of all saves; where it does not, the step that it printed last before is given.", "Give --checkpoint-every, if it is known.");
        else if (Repeated(report) is { } repeated)
            yield return repeated;
        if (report.Configuration.TotalSteps is { } total && report.Steps < total && report.History.Sessions.Count > 0 && report.History.Sessions[^1].End != SessionEnd.Running)
            yield return Short(report, total);
        foreach (RunSession session in report.History.Sessions)
        {
            foreach (AuditFinding finding in OfSession(report, session))
                yield return finding;
        }
        foreach (CopyOnDisk copy in (onDisk ?? []).Where(copy => !copy.IsComplete))
            yield return new AuditFinding(AuditFault.BadCopy, true, $"{copy.Folder} cannot be used: {copy.Fault}.", "A restart passes it over. Look at it, then remove it.");
        if (report.ActiveTime > LongEnough && report.Stall / report.ActiveTime > SlowShare)
            yield return new AuditFinding(AuditFault.SlowSaves, true, $"Saves took {Quantities.Percent(report.Stall / report.ActiveTime)} of the time.", "Save less often, or in the background (Asynchronous). cairn plan works out the interval.");
        if (report.History.Unreadable > 0)
            yield return new AuditFinding(AuditFault.UnreadableRecord, false, $"{report.History.Unreadable} lines of the record cannot be understood and were passed over.");
    }

    private static AuditFinding Missing(SaveKind kind, DueSave[] missing)
    {
        string name = kind == SaveKind.Checkpoint ? "checkpoint" : "snapshot";
        string[] reasons = [.. missing.GroupBy(due => due.WhyMissing, StringComparer.Ordinal).Select(group => $"{Steps([.. group.Select(due => due.Step)])} ({group.Key})")];
        bool dropped = missing.All(due => due.WhyMissing!.StartsWith("dropped", StringComparison.Ordinal));
        return new AuditFinding(
            AuditFault.MissingSave, true, $"{missing.Length} {name}{(missing.Length == 1 ? "" : "s")} that {(missing.Length == 1 ? "was" : "were")} due {(missing.Length == 1 ? "is" : "are")} missing: {string.Join("; ", reasons)}.",
            dropped ? "The disk is too slow for the interval: take snapshots less often. cairn plan works it out." : "");
    }

    private static AuditFinding? Repeated(AuditReport report)
    {
        long[] repeated =
        [
            .. report.History.Sessions.SelectMany(session => session.Saves.Where(save => save.Outcome == SaveOutcome.Saved).GroupBy(save => (save.Step, save.Kind)).Where(group => group.Count() > 1))
                .Select(group => group.Key.Step).Distinct(),
        ];
        return repeated.Length == 0 ? null : new AuditFinding(
            AuditFault.RepeatedSave, true, $"Step {Steps(repeated)} was saved again and again while the step stood still after a skipped batch; both snapshot slots may hold one step.",
            report.History.Source == HistorySource.InternLm ? "InternLM asks the step after every batch, skipped or not. Cairn saves a step once." : "");
    }

    private static AuditFinding Short(AuditReport report, long total)
    {
        long skipped = report.Skips.Values.Sum();
        string skips = skipped == 0 ? "" : $" {Count(skipped, "batch was", "batches were")} skipped ({string.Join(", ", report.Skips.Select(skip => $"{skip.Key}: {skip.Value}"))}).";
        return new AuditFinding(
            AuditFault.ShortOfPlan, false, $"Completed {report.Steps} of {Count(total, "step", "steps")}, in {Count(report.Batches, "batch", "batches")}.{skips}",
            report.Batches >= total && skipped > 0 ? "Batches and steps are not the same: to complete all steps, the loop must go on until the steps are complete." : "");
    }

    private static IEnumerable<AuditFinding> OfSession(AuditReport report, RunSession session)
    {
        if (session.LostSteps > 0)
        {
            // A crash loses what came after the last save; more than the interval means that saves were missing.
            long expected = Math.Max(1, report.Configuration.SnapshotEvery is > 0 ? report.Configuration.SnapshotEvery.Value : report.Configuration.CheckpointEvery ?? long.MaxValue);
            yield return new AuditFinding(
                AuditFault.LostSteps, session.LostSteps > expected, $"{(session.LostAtLeast ? "At least " : "")}{Count(session.LostSteps, "step", "steps")} had to be repeated: the process before reached step {session.FirstStep + session.LostSteps}{(session.LostAtLeast ? " or more" : "")}, and {(session.ResumedFrom is { } from ? $"{from} was resumed" : "training began anew")} at step {session.FirstStep}.",
                session.ResumedFrom is null && session.LostSteps > expected ? "Nothing was found to resume from. Check that snapshots are on (SnapshotEvery, oss_snapshot_freq) and that the folder is the same." : "More frequent snapshots lose less. cairn plan works out the interval.");
        }
        foreach (string fault in session.PassedOver)
            yield return new AuditFinding(AuditFault.BadCopy, true, $"At step {session.FirstStep} a newer copy was passed over: {fault}.");
        bool isLast = session == report.History.Sessions[^1];
        if (session.End is SessionEnd.Failed || (session.End == SessionEnd.Unknown && !(isLast && report.FinalCheckpoint is not null) && report.History.Source == HistorySource.Cairn))
        {
            yield return new AuditFinding(
                AuditFault.BrokenEnd, session.End == SessionEnd.Failed, $"The process that began at step {session.FirstStep} ended at step {session.LastStep} {(session.End == SessionEnd.Failed ? "by an exception" : "without a word: it was killed, or the machine failed")}{(session.Error is { } error ? $": {error}" : "")}.");
        }
    }

    internal static string Steps(long[] steps) =>
        string.Join(", ", steps.Take(MostNamed).Select(step => step.ToString(CultureInfo.InvariantCulture))) + (steps.Length > MostNamed ? $" and {steps.Length - MostNamed} more" : "");

    internal static string Count(long number, string one, string many) => $"{number.ToString(CultureInfo.InvariantCulture)} {(number == 1 ? one : many)}";
}
