using Cairn.Checkpoints;
using Cairn.State;

namespace Cairn;

/// <summary>What a run started from.</summary>
public sealed record ResumeReport
{
    /// <summary>The step that the run continues from; 0 for a fresh start.</summary>
    public required long Step { get; init; }
    /// <summary>The copy that was taken; <see langword="null"/> for a fresh start.</summary>
    public string? Source { get; init; }
    /// <summary>The parts that were restored.</summary>
    public IReadOnlyList<string> Parts { get; init; } = [];
    /// <summary>Parts that cannot go on exactly because another world or another program saved them, each with the reason; else empty.</summary>
    public IReadOnlyList<string> NotExact { get; init; } = [];
    /// <summary>Settings that the saved state and the program say differently, each with the one that holds (<see cref="CheckpointOptions.ResumeSettings"/>); else empty.</summary>
    public IReadOnlyList<SettingDifference> Settings { get; init; } = [];
    /// <summary>Newer copies that could not be used, each with its file and reason.</summary>
    public IReadOnlyList<CheckpointFault> PassedOver { get; init; } = [];
    /// <summary>Steps that an earlier process had made above this one, as far as is known: they have to be made again.</summary>
    public long LostSteps { get; init; }
    /// <summary>The branch that the run is on.</summary>
    public required Branch Branch { get; init; }
    /// <summary>Whether anything was restored.</summary>
    public bool IsFresh => Source is null;
}
