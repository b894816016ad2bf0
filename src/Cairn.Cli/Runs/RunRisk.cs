using Cairn.Advice.Audit;

namespace Cairn.Cli.Runs;

/// <summary>What a loss of the machine would cost a run now, or has cost it.</summary>
/// <param name="DurableStep">The newest durable copy of what is trained; <see langword="null"/> when there is none.</param>
/// <param name="DurableAge">Since when it is durable; <see langword="null"/> when that is not known.</param>
/// <param name="Steps">Steps that were made since.</param>
/// <param name="Time">For how long they were trained: from the moment whose state the copy has, or from the start, to the last sign of training; <see langword="null"/> when that is not known.</param>
internal sealed record RunRisk(long? DurableStep, TimeSpan? DurableAge, long Steps, TimeSpan? Time)
{
    /// <summary>As journal and progress tell it.</summary>
    /// <param name="history">The run's history; the last process counts, and what it was resumed from.</param>
    /// <param name="progress">Where the run stands.</param>
    /// <param name="now">The time.</param>
    public static RunRisk Of(RunHistory history, RunProgress? progress, DateTimeOffset now)
    {
        if (history.Sessions is not [.., var session])
            return new RunRisk(null, null, 0, null);
        long step = Math.Max(progress?.Step ?? 0, session.LastStep);
        RecordedSave? newest = Newest(session.Saves);
        // Before its first copy, the one that it was resumed from; others that were made above it are of another line by now.
        if (newest is null && session.ResumedFrom is not null)
            newest = Newest(history.Sessions.SelectMany(earlier => earlier.Saves).Where(save => save.Step == session.FirstStep));
        long? durable = newest?.Step ?? (session.ResumedFrom is null ? null : session.FirstStep);
        // It has the state of when it was decided. What a process made of an older copy was made since its start.
        DateTimeOffset? since = newest is not null && session.Saves.Contains(newest) ? newest.Time - newest.Duration : session.Started;
        long steps = Math.Max(0, step - (durable ?? 0));
        DateTimeOffset? seen = progress?.Time > session.Ended ? progress.Time : session.Ended ?? progress?.Time;
        TimeSpan? trained = steps == 0 ? TimeSpan.Zero : seen - since;
        return new RunRisk(durable, now - newest?.Time, steps, trained < TimeSpan.Zero ? TimeSpan.Zero : trained);
    }

    private static RecordedSave? Newest(IEnumerable<RecordedSave> saves) => saves.Where(save => save.Outcome == SaveOutcome.Saved).MaxBy(save => save.Step);
}
