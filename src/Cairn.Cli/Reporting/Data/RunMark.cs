using Cairn.Cli.Output;

namespace Cairn.Cli.Reporting.Data;

/// <summary>What a mark on the axis of the steps stands for; in the order in which they are shown.</summary>
internal enum MarkKind
{
    Checkpoint,
    Snapshot,
    Failed,
    Skipped,
    NotFinite,
    Restart,
    Branch,
}

/// <summary>Something that happened at a step.</summary>
/// <param name="Kind">What.</param>
/// <param name="Step">Where.</param>
/// <param name="Text">What it was, in a line for people.</param>
internal sealed record RunMark(MarkKind Kind, long Step, string Text);

/// <summary>A process of the run as its first line in the journal tells.</summary>
/// <param name="Branch">The branch that it trained.</param>
/// <param name="FirstStep">The step that it began with.</param>
/// <param name="From">What it resumed from; <see langword="null"/> for a fresh start.</param>
/// <param name="LostSteps">Steps that had been made and had to be repeated.</param>
/// <param name="LostAtLeast">Whether there may be more of them.</param>
/// <param name="Ranks">Ranks of its job.</param>
internal sealed record RunProcess(int Branch, long FirstStep, string? From, long LostSteps, bool LostAtLeast, long Ranks)
{
    /// <summary>The highest step that it is known to have made.</summary>
    public long LastStep { get; set; } = FirstStep;

    /// <summary>What had to be made again, in words; empty where nothing is known to have.</summary>
    public string Again => LostSteps > 0 ? $"; {Units.Steps(LostSteps, LostAtLeast)} made again" : "";
}

/// <summary>Bytes that the run's copies held from a moment on.</summary>
internal sealed record HeldBytes(DateTimeOffset Time, long Bytes);
