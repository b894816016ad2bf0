using System.Runtime.InteropServices;

namespace Cairn.Policies;

/// <summary>What a tier has already got.</summary>
/// <param name="LastStep">Step of the tier's newest complete save of this run's present branch; <see langword="null"/> when there is none.</param>
/// <param name="LastSaved">When that was made; the start of the process when it was not made by it.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct SavedTier(long? LastStep, DateTimeOffset LastSaved);

/// <summary>Where a run stands when the schedule is asked, once after each batch and once when training ends.</summary>
/// <param name="Step">Successful optimizer updates so far.</param>
/// <param name="PreviousStep">The step when the schedule was last asked, or at which the run started or resumed.</param>
/// <param name="Now">The present time, one rank's clock on all ranks.</param>
/// <param name="Checkpoint">What the checkpoints have got.</param>
/// <param name="Snapshot">What the snapshots have got.</param>
/// <param name="Requests">What asks for a checkpoint now.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct SaveSituation(
    long Step, long PreviousStep, DateTimeOffset Now, SavedTier Checkpoint, SavedTier Snapshot, SaveRequests Requests = SaveRequests.None)
{
    /// <summary>What may begin, where snapshots have no interval.</summary>
    public SnapshotPace Pace { get; init; }

    /// <summary>The step at which training ends; <see langword="null"/> when that is not known.</summary>
    public long? LastStep { get; init; }
}

/// <summary>
/// When each tier is saved. Pure. At most one save per question, and at most one of each kind for each step:
/// a checkpoint that is due takes the place of the snapshot, and a step that has its checkpoint needs no more saves.
/// </summary>
internal sealed class SaveSchedule(ISavePolicy checkpointPolicy, ISavePolicy snapshotPolicy)
{
    /// <summary>When checkpoints are due.</summary>
    public ISavePolicy CheckpointPolicy { get; } = checkpointPolicy ?? throw new ArgumentNullException(nameof(checkpointPolicy));

    /// <summary>When snapshots are due.</summary>
    public ISavePolicy SnapshotPolicy { get; } = snapshotPolicy ?? throw new ArgumentNullException(nameof(snapshotPolicy));

    /// <summary>
    /// The save to make now, or <see langword="null"/>. At step 0 only <see cref="SaveRequests.Manual"/> makes one: there is
    /// nothing yet that a restart would lose. For snapshots by time a checkpoint counts as well, since it serves recovery too.
    /// </summary>
    public SaveDecision? Decide(in SaveSituation now)
    {
        if (now.Checkpoint.LastStep == now.Step)
            return null;
        if (ReasonOf(now.Requests, now.Step) is { } reason)
            return new SaveDecision(SaveKind.Checkpoint, reason);
        if (now.Step <= 0)
            return null;
        if (CheckpointPolicy.IsDue(new SavePoint(now.Step, now.PreviousStep, now.Now, now.Checkpoint.LastSaved)))
            return new SaveDecision(SaveKind.Checkpoint, SaveReason.Interval);
        if (now.Requests.HasFlag(SaveRequests.Best))
            return new SaveDecision(SaveKind.Checkpoint, SaveReason.Best);
        if (now.Snapshot.LastStep == now.Step)
            return null;
        DateTimeOffset lastSaved = now.Snapshot.LastSaved > now.Checkpoint.LastSaved ? now.Snapshot.LastSaved : now.Checkpoint.LastSaved;
        return SnapshotPolicy.IsDue(new SavePoint(now.Step, now.PreviousStep, now.Now, lastSaved) { MayBegin = now.Pace.MayBegin && !IsCheckpointNear(now) })
            ? new SaveDecision(SaveKind.Snapshot, SaveReason.Snapshot)
            : null;
    }

    // A checkpoint that is due while a snapshot is being written makes training wait for it, and so does the end.
    private bool IsCheckpointNear(in SaveSituation now) => now.Pace.Steps > 0 && (now.Step + now.Pace.Steps >= now.LastStep
        || CheckpointPolicy.IsDue(new SavePoint(now.Step + now.Pace.Steps, now.Step, now.Now + now.Pace.Lasts, now.Checkpoint.LastSaved)));

    private static SaveReason? ReasonOf(SaveRequests requests, long step)
    {
        if (step > 0)
        {
            if (requests.HasFlag(SaveRequests.Final))
                return SaveReason.Final;
            if (requests.HasFlag(SaveRequests.Signal))
                return SaveReason.Signal;
            if (requests.HasFlag(SaveRequests.Stop))
                return SaveReason.Stop;
        }
        return requests.HasFlag(SaveRequests.Manual) ? SaveReason.Manual : null;
    }
}
