using Cairn.Policies;

namespace Cairn;

/// <summary>How a save ended.</summary>
public enum SaveOutcome
{
    /// <summary>The copy is durable and complete.</summary>
    Saved,
    /// <summary>It failed; earlier copies stand, and the next due step tries again.</summary>
    Failed,
    /// <summary>A snapshot that was due while an earlier save was still being written.</summary>
    Dropped,
    /// <summary>The state was not fit to be saved: a snapshot whose weights hold NaN or infinity, or the end in the middle of a batch.</summary>
    Refused,
    /// <summary>The copy is complete in the fast folder (<see cref="CheckpointOptions.FastFolder"/>), and a restart on these hosts goes on from it. It is on its way to the run's home: a second report says when it is durable, unless a newer snapshot came first.</summary>
    Recoverable,
}

/// <summary>A save that ended, well or not.</summary>
public sealed record SaveReport
{
    /// <summary>The step.</summary>
    public required long Step { get; init; }
    /// <summary>The tier.</summary>
    public required SaveKind Kind { get; init; }
    /// <summary>Why it was due.</summary>
    public required SaveReason Reason { get; init; }
    /// <summary>How it ended.</summary>
    public required SaveOutcome Outcome { get; init; }
    /// <summary>Whether there is a copy now: durable, or recoverable.</summary>
    public bool IsComplete => Outcome is SaveOutcome.Saved or SaveOutcome.Recoverable;
    /// <summary>Whether it is about bringing a copy from the fast folder to the home, which was reported as recoverable before, maybe in an earlier process.</summary>
    internal bool IsDrained { get; init; }
    /// <summary>Whether a copy that was recoverable is none any more.</summary>
    internal bool IsLost { get; init; }
    /// <summary>Whether it is a copy that could not be brought to the home, is still recoverable, and is tried again.</summary>
    internal bool IsRetried => this is { IsDrained: true, IsLost: false, Outcome: SaveOutcome.Failed };
    /// <summary>Time for which training waited.</summary>
    public TimeSpan Stall { get; init; }
    /// <summary>From the decision until the copy was durable, or recoverable.</summary>
    public TimeSpan Duration { get; init; }
    /// <summary>Bytes of the copy, its marker not counted.</summary>
    public long Bytes { get; init; }
    /// <summary>Of these, bytes of files that are those of the copy before, because they have not changed: they were not written again (<see cref="CheckpointOptions.ShareUnchanged"/>).</summary>
    public long SharedBytes { get; init; }
    /// <summary>The copy's folder, relative to the run; of one that is recoverable, its whole path on this host.</summary>
    public string? Folder { get; init; }
    /// <summary>What went wrong.</summary>
    public Exception? Error { get; init; }
    /// <summary>A tensor of the model that holds NaN or infinity, in a copy that was saved all the same.</summary>
    public string? NonFiniteTensor { get; init; }
    /// <summary>What was moved aside or given up for it, in words.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
    /// <summary>Steps of the checkpoints that were retired after it.</summary>
    public IReadOnlyList<long> Retired { get; init; } = [];
    /// <summary>Steps of the checkpoints that lost what only a restart needs after it (<see cref="CheckpointOptions.KeepOptimizer"/>).</summary>
    public IReadOnlyList<long> WeightsOnly { get; init; } = [];
    /// <summary>Why old checkpoints could not be retired; they are tried again after the next save.</summary>
    public Exception? RetentionError { get; init; }
}
