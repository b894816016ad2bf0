using Cairn.Policies;

namespace Cairn.Advice.Audit;

/// <summary>Whether the last step has its checkpoint, and if not, why.</summary>
internal static class FinalCheckpoint
{
    /// <summary>The folder, or the reason that there is none.</summary>
    public static (string? Folder, string? WhyNot) Find(RunHistory history, RunConfiguration configuration, IReadOnlyList<CopyOnDisk>? onDisk)
    {
        if (history.Sessions is not [.., var last])
            return (null, "the record shows no training");
        if (last.LastStep == 0)
            return (null, "no step was made");
        CopyOnDisk? copy = onDisk?.FirstOrDefault(found => found.Kind == SaveKind.Checkpoint && found.Step == last.LastStep);
        if (copy is { IsComplete: true })
            return (copy.Folder, null);
        RecordedSave? saved = history.Sessions.SelectMany(session => session.Saves).LastOrDefault(save => save.Step == last.LastStep && save.Kind == SaveKind.Checkpoint);
        if (saved?.Outcome == SaveOutcome.Saved && onDisk is null)
            return (saved.Folder ?? last.LastStep.ToString(System.Globalization.CultureInfo.InvariantCulture), null);
        return (null, WhyNot(history, configuration, last, copy, saved));
    }

    /// <summary>The finding for a run without one.</summary>
    public static AuditFinding Finding(AuditReport report, IReadOnlyList<CopyOnDisk>? onDisk)
    {
        CopyOnDisk? best = onDisk?.Where(copy => copy.IsComplete).MaxBy(copy => copy.Step);
        RecordedSave? recorded = onDisk is null ? report.Saved.MaxBy(save => save.Step) : null;
        (long Step, string Name)? newest = best is not null ? (best.Step, best.Folder) : recorded is not null ? (recorded.Step, recorded.Folder ?? recorded.Kind.ToString()) : null;
        // Of one that was killed nobody knows the last steps.
        string atLeast = WasKilled(report.History, report.History.Sessions[^1]) ? "at least " : "";
        string left = newest is { } copy
            ? $"The newest copy is of step {copy.Step} ({copy.Name}): {(copy.Step >= report.Steps ? atLeast.Length > 0 ? "nothing that is known of is" : "nothing is" : atLeast + RunAudit.Count(report.Steps - copy.Step, "step is", "steps are"))} lost."
            : $"There is no copy at all: {(atLeast.Length > 0 ? $"{atLeast}{RunAudit.Count(report.Steps, "step is", "steps are")}" : report.Steps == 1 ? "the only step is" : $"all {report.Steps} steps are")} lost.";
        return new AuditFinding(AuditFault.NoFinalCheckpoint, true, $"The last step, {report.Steps}, has no checkpoint: {report.WhyNoFinal}. {left}", Advice(report, newest?.Step));
    }

    private static bool WasKilled(RunHistory history, RunSession last) => history.Source == HistorySource.Cairn && last.End == SessionEnd.Unknown;

    private static string WhyNot(RunHistory history, RunConfiguration configuration, RunSession last, CopyOnDisk? copy, RecordedSave? saved)
    {
        if (copy is not null)
            return $"what stands in {copy.Folder} cannot be used ({copy.Fault})";
        if (saved is { Outcome: SaveOutcome.Saved })
            return $"it was saved{(saved.Folder is { } folder ? $" to {folder}" : "")}, and is not there any more";
        if (saved is not null)
            return $"its save {saved.Outcome.ToString().ToLowerInvariant()}{(saved.Error is { } error ? $" ({error})" : "")}";
        if (configuration.Enabled == false)
            return "saving was switched off";
        if (last.End == SessionEnd.Running)
            return "the run still trains";
        if (last.End == SessionEnd.Failed)
            return $"an exception ended the process{(last.Error is { } what ? $" ({what})" : "")}";
        if (configuration.TotalSteps is { } planned && history.Source is not (HistorySource.Cairn or HistorySource.InternLm) && last.LastStep < planned)
            return $"the log ends after {last.LastStep} of {planned} steps: the process was killed or stopped, or trains on";
        return history.Source switch
        {
            HistorySource.InternLm => WhyNotInInternLm(history, configuration, last),
            HistorySource.Cairn => "the process was killed, or its machine failed, or it left without completing the run",
            _ => "the process ended without completing the run",
        };
    }

    private static string WhyNotInInternLm(RunHistory history, RunConfiguration configuration, RunSession last)
    {
        long skipped = last.LastBatch - last.LastStep;
        string rule = "InternLM saves the end only when step_count equals total_steps";
        if (configuration.TotalSteps is { } total)
        {
            return last.LastBatch < total ? $"the log ends after {last.LastBatch} of {total} batches: the process was killed or stopped"
                : skipped > 0 ? $"{rule}, and of {last.LastBatch} batches {RunAudit.Count(skipped, "was", "were")} skipped{Reasons(history)}, so step_count ended at {last.LastStep} and never was {total}"
                : $"{rule} ({total}), and it ended at {last.LastStep}";
        }
        return skipped > 0
            ? $"{rule}; {skipped} of {last.LastBatch} batches {(skipped == 1 ? "was" : "were")} skipped{Reasons(history)}, so if total_steps was {last.LastBatch}, step_count ended at {last.LastStep} and never was that"
            : $"{rule}, and the log ends after {last.LastBatch} batches (how many were planned is not in it: give --total-steps or --config)";
    }

    private static string Reasons(RunHistory history)
    {
        string[] reasons = [.. history.Sessions.SelectMany(session => session.Skips).GroupBy(skip => skip.Reason, StringComparer.Ordinal)
            .Select(group => $"{group.Key}: {group.Sum(skip => skip.Count)}{(group.Count() == 1 && group.Single().Count == 1 ? $", batch {group.Single().Batch}" : "")}")];
        return reasons.Length == 0 ? "" : $" ({string.Join("; ", reasons)})";
    }

    private static string Advice(AuditReport report, long? newest)
    {
        string resume = newest is not { } step ? "Train again. "
            : step >= report.Steps ? $"Resume from step {step}; no step has to be repeated. "
            : $"Resume from step {step} and train the {(report.Steps - step == 1 ? "last step" : $"{report.Steps - step} steps")} again. ";
        if (report.History.Source == HistorySource.Cairn)
            return resume + "A program that leaves by itself calls Complete at the end of the loop, or disposes the manager (await using): either saves the end.";
        bool skipped = report.Batches > report.Steps && report.History.Source == HistorySource.InternLm;
        return resume + (skipped
            ? "With InternLM, any skipped batch will cause this again; a smaller oss_snapshot_freq loses less. Cairn saves the end whatever was skipped."
            : "Cairn saves the end whenever training ends, stops or is told to stop.");
    }
}
