using Cairn.Policies;

namespace Cairn.Advice.Audit;

/// <summary>What an audit found.</summary>
public enum AuditFault
{
    /// <summary>The last step has no checkpoint.</summary>
    NoFinalCheckpoint,
    /// <summary>A save was due and is not there.</summary>
    MissingSave,
    /// <summary>One step was saved more than once.</summary>
    RepeatedSave,
    /// <summary>Steps had to be repeated after a restart.</summary>
    LostSteps,
    /// <summary>The run ended short of its plan.</summary>
    ShortOfPlan,
    /// <summary>A process ended without completing the run.</summary>
    BrokenEnd,
    /// <summary>A copy on the disk cannot be used.</summary>
    BadCopy,
    /// <summary>Much of the time went into saves.</summary>
    SlowSaves,
    /// <summary>Saving was switched off.</summary>
    NothingSaved,
    /// <summary>Parts of the record cannot be understood.</summary>
    UnreadableRecord,
}

/// <summary>Something that an audit found.</summary>
/// <param name="Fault">What kind of thing.</param>
/// <param name="IsHarmful">Whether it is bad; otherwise it is good to know.</param>
/// <param name="Message">What it is, with its numbers.</param>
/// <param name="Advice">What to do; empty when nothing is to be done.</param>
public sealed record AuditFinding(AuditFault Fault, bool IsHarmful, string Message, string Advice = "");

/// <summary>A save that was due.</summary>
/// <param name="Step">Its step.</param>
/// <param name="Kind">Its tier.</param>
/// <param name="WhyMissing">Why it is not there; <see langword="null"/> when it is.</param>
public sealed record DueSave(long Step, SaveKind Kind, string? WhyMissing);

/// <summary>What a run was told to do, and what it did.</summary>
public sealed record AuditReport
{
    /// <summary>The record.</summary>
    public required RunHistory History { get; init; }
    /// <summary>What was configured, with what was given besides the record.</summary>
    public required RunConfiguration Configuration { get; init; }
    /// <summary>The step that was reached.</summary>
    public required long Steps { get; init; }
    /// <summary>Batches that were drawn.</summary>
    public required long Batches { get; init; }
    /// <summary>Skipped batches by reason; those of a stretch that was made again count once.</summary>
    public required IReadOnlyDictionary<string, long> Skips { get; init; }
    /// <summary>Steps made more than once.</summary>
    public required long LostSteps { get; init; }
    /// <summary>Whether there may be more of them: a process ended without a word.</summary>
    public bool LostAtLeast { get; init; }
    /// <summary>What was due by the intervals; empty when they are not known.</summary>
    public required IReadOnlyList<DueSave> Due { get; init; }
    /// <summary>The final checkpoint's folder; <see langword="null"/> when there is none.</summary>
    public required string? FinalCheckpoint { get; init; }
    /// <summary>Why there is no final checkpoint.</summary>
    public required string? WhyNoFinal { get; init; }
    /// <summary>Time in which processes of the run were at work, as far as the record shows.</summary>
    public required TimeSpan ActiveTime { get; init; }
    /// <summary>Time that training waited for saves.</summary>
    public required TimeSpan Stall { get; init; }
    /// <summary>What was found, the harmful first.</summary>
    public required IReadOnlyList<AuditFinding> Findings { get; init; }

    /// <summary>Saves that succeeded.</summary>
    public IEnumerable<RecordedSave> Saved => History.Sessions.SelectMany(session => session.Saves).Where(save => save.Outcome == SaveOutcome.Saved);
}
