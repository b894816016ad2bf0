using Cairn.Policies;

namespace Cairn.Advice.Audit;

/// <summary>Which saves were due by the intervals in steps, and what became of them.</summary>
internal static class DueSaves
{
    // A run of more due saves than this is not listed save by save.
    private const int Most = 1_000_000;

    public static IReadOnlyList<DueSave> Of(RunHistory history, RunConfiguration configuration)
    {
        if (configuration.Enabled == false || (configuration.CheckpointEvery ?? 0) + (configuration.SnapshotEvery ?? 0) == 0)
            return [];
        ILookup<(long, SaveKind), RecordedSave> tried = history.Sessions.SelectMany(session => session.Saves).ToLookup(save => (save.Step, save.Kind));
        SortedDictionary<(long Step, SaveKind Kind), DueSave> due = [];
        foreach (RunSession session in history.Sessions)
        {
            foreach ((long step, SaveKind kind) in Steps(session, configuration))
                due[(step, kind)] = new DueSave(step, kind, WhyMissing(step, session, tried[(step, kind)], tried[(step, SaveKind.Checkpoint)]));
        }
        return [.. due.Values];
    }

    private static IEnumerable<(long Step, SaveKind Kind)> Steps(RunSession session, RunConfiguration configuration)
    {
        var schedule = new SaveSchedule(Policy(configuration.CheckpointEvery), Policy(configuration.SnapshotEvery));
        long previous = session.FirstStep;
        var none = new SavedTier(null, DateTimeOffset.UnixEpoch);
        for (int n = 0; n < Most && Next(previous, session, configuration) is { } step; n++)
        {
            if (schedule.Decide(new SaveSituation(step, step - 1, DateTimeOffset.UnixEpoch, none, none)) is { } decision)
                yield return (step, decision.Kind);
            previous = step;
        }
    }

    // The next step at which anything can be due.
    private static long? Next(long after, RunSession session, RunConfiguration configuration)
    {
        long next = Math.Min(Multiple(configuration.CheckpointEvery, after), Multiple(configuration.SnapshotEvery, after));
        return next <= session.LastStep ? next : null;
    }

    private static long Multiple(long? every, long after) => every is > 0 ? (after / every.Value + 1) * every.Value : long.MaxValue;

    private static ISavePolicy Policy(long? every) => every is > 0 ? SavePolicy.EverySteps(every.Value) : SavePolicy.Never;

    private static string? WhyMissing(long step, RunSession session, IEnumerable<RecordedSave> tries, IEnumerable<RecordedSave> checkpoints)
    {
        // A checkpoint that was asked for serves where a snapshot was due.
        if (checkpoints.Any(save => save.Outcome == SaveOutcome.Saved))
            return null;
        string? why = null;
        foreach (RecordedSave save in tries)
        {
            switch (save.Outcome)
            {
                case SaveOutcome.Saved:
                    return null;
                case SaveOutcome.Recoverable:
                    why = "it stood in the fast folder, and no record says that the run's home got it";
                    break;
                case SaveOutcome.Dropped:
                    why = "dropped: the save before it was still being written";
                    break;
                case SaveOutcome.Refused:
                    why = "refused: " + (save.Error ?? "the weights held NaN or infinity");
                    break;
                default:
                    why = "failed: " + (save.Error ?? "no reason is recorded");
                    break;
            }
        }
        return why ?? session.End switch
        {
            SessionEnd.Running => step == session.LastStep ? null : "not recorded yet: it may still be being written",
            // Saves become durable one after the other, so only what came after the last may have been cut off.
            SessionEnd.Unknown or SessionEnd.Failed when !session.Saves.Any(save => save.Step > step && save.Outcome == SaveOutcome.Saved) => "the process ended before it was durable",
            _ => "no such save is recorded",
        };
    }
}
