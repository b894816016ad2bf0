using Cairn.Policies;

namespace Cairn.Advice.Audit;

/// <summary>How a process of a run ended.</summary>
public enum SessionEnd
{
    /// <summary>Nothing says so: it was killed, the machine failed, or the record was cut.</summary>
    Unknown,
    /// <summary>The loop ended and the run was completed.</summary>
    Finished,
    /// <summary>It was told to stop.</summary>
    Stopped,
    /// <summary>An exception ended it.</summary>
    Failed,
    /// <summary>It still runs.</summary>
    Running,
}

/// <summary>A batch that made no step.</summary>
/// <param name="Batch">Batches drawn up to and including it.</param>
/// <param name="Step">Steps made when it was skipped.</param>
/// <param name="Reason">Why.</param>
/// <param name="Count">How many batches this stands for.</param>
public sealed record SkippedBatch(long Batch, long Step, string Reason, long Count = 1);

/// <summary>A save that was tried.</summary>
public sealed record RecordedSave
{
    /// <summary>The step.</summary>
    public required long Step { get; init; }
    /// <summary>The tier.</summary>
    public required SaveKind Kind { get; init; }
    /// <summary>How it ended.</summary>
    public required SaveOutcome Outcome { get; init; }
    /// <summary>Why it was made, as the record says.</summary>
    public string? Reason { get; init; }
    /// <summary>Time that training waited.</summary>
    public TimeSpan Stall { get; init; }
    /// <summary>Time until it was durable.</summary>
    public TimeSpan? Duration { get; init; }
    /// <summary>Bytes.</summary>
    public long Bytes { get; init; }
    /// <summary>Its folder as the record says.</summary>
    public string? Folder { get; init; }
    /// <summary>What went wrong.</summary>
    public string? Error { get; init; }
    /// <summary>When, on the clock of the record.</summary>
    public DateTimeOffset? Time { get; init; }
}

/// <summary>One process of a run: from its start or resume to its end.</summary>
public sealed class RunSession
{
    /// <summary>Its first moment in the record.</summary>
    public DateTimeOffset? Started { get; set; }
    /// <summary>Its last moment in the record.</summary>
    public DateTimeOffset? Ended { get; set; }
    /// <summary>The step that it began with.</summary>
    public long FirstStep { get; set; }
    /// <summary>Batches that were drawn before it.</summary>
    public long FirstBatch { get; set; }
    /// <summary>The highest step that it is known to have made.</summary>
    public long LastStep { get; set; }
    /// <summary>Batches drawn at its end, as far as is known.</summary>
    public long LastBatch { get; set; }
    /// <summary>What it resumed from; <see langword="null"/> for a fresh start.</summary>
    public string? ResumedFrom { get; set; }
    /// <summary>Whether it began a new branch: by choice, so that nothing is lost, or because a newer copy cannot be used.</summary>
    public bool Branched { get; set; }
    /// <summary>Steps made before that had to be repeated.</summary>
    public long LostSteps { get; set; }
    /// <summary>Whether there may be more of them: the process before ended without a word, and how far it came at last is not known.</summary>
    public bool LostAtLeast { get; set; }
    /// <summary>How it ended.</summary>
    public SessionEnd End { get; set; }
    /// <summary>What ended it, in the record's words.</summary>
    public string? Error { get; set; }
    /// <summary>Batches without a step.</summary>
    public IList<SkippedBatch> Skips { get; } = [];
    /// <summary>Saves that were tried.</summary>
    public IList<RecordedSave> Saves { get; } = [];
    /// <summary>Newer copies that could not be used at its start, and why.</summary>
    public IList<string> PassedOver { get; } = [];

    /// <summary>Notes a moment of it.</summary>
    internal void See(DateTimeOffset? time)
    {
        Started ??= time;
        Ended = time is null || time < Ended ? Ended : time;
    }

    /// <summary>Notes how far it was seen.</summary>
    internal void Reach(long step, long? batch)
    {
        LastStep = Math.Max(LastStep, step);
        LastBatch = Math.Max(LastBatch, batch ?? 0);
    }
}

/// <summary>What was configured, as far as it is known.</summary>
public sealed record RunConfiguration
{
    /// <summary>Whether anything was to be saved.</summary>
    public bool? Enabled { get; init; }
    /// <summary>Steps that the run should make; for InternLM these are batches.</summary>
    public long? TotalSteps { get; init; }
    /// <summary>Steps between checkpoints.</summary>
    public long? CheckpointEvery { get; init; }
    /// <summary>Steps between snapshots; 0 for none.</summary>
    public long? SnapshotEvery { get; init; }
    /// <summary>The checkpoint rule in words.</summary>
    public string? CheckpointRule { get; init; }
    /// <summary>The snapshot rule in words.</summary>
    public string? SnapshotRule { get; init; }
    /// <summary>The folder that was saved to.</summary>
    public string? Folder { get; init; }
    /// <summary>Names of values that were worked out from what happened, and not read.</summary>
    public IReadOnlyList<string> Inferred { get; init; } = [];

    /// <summary>These values, and where they are not known, the others.</summary>
    public RunConfiguration Over(RunConfiguration other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return this with
        {
            Enabled = Enabled ?? other.Enabled,
            TotalSteps = TotalSteps ?? other.TotalSteps,
            CheckpointEvery = CheckpointEvery ?? other.CheckpointEvery,
            SnapshotEvery = SnapshotEvery ?? other.SnapshotEvery,
            CheckpointRule = CheckpointRule ?? other.CheckpointRule,
            SnapshotRule = SnapshotRule ?? other.SnapshotRule,
            Folder = Folder ?? other.Folder,
        };
    }
}

/// <summary>Who kept the record, and so how the end was saved.</summary>
public enum HistorySource
{
    /// <summary>Cairn's journal.</summary>
    Cairn,
    /// <summary>Logs of InternLM or InternEvo.</summary>
    InternLm,
    /// <summary>Logs of torchtitan.</summary>
    TorchTitan,
    /// <summary>Logs of XTuner 1, which tell nothing of its saves.</summary>
    XTuner,
    /// <summary>Logs of OpenMMLab's engine, which XTuner used before.</summary>
    MmEngine,
}

/// <summary>What the record of a run says.</summary>
/// <param name="Source">Who kept it.</param>
/// <param name="Configuration">What was configured.</param>
/// <param name="Sessions">Its processes in the order of time.</param>
/// <param name="Unreadable">Lines that could not be understood.</param>
public sealed record RunHistory(HistorySource Source, RunConfiguration Configuration, IReadOnlyList<RunSession> Sessions, int Unreadable)
{
    /// <summary>Whether it tells which saves were made.</summary>
    public bool TellsSaves { get; init; } = true;

    /// <summary>Whether the steps of all saves are known; else some are those that were printed last before.</summary>
    public bool NamesSaves { get; init; } = true;
}
