using Cairn.Checkpoints;

namespace Cairn;

/// <summary>What a start would resume from: <see cref="CheckpointManager.PeekAsync"/>.</summary>
public sealed record ResumePreview
{
    /// <summary>The counters and metrics as a start would restore them; of a fresh start, or one that takes over other parts only, as they are made.</summary>
    public required TrainState Train { get; init; }

    /// <summary>The step that training would continue from; 0 for a fresh start.</summary>
    public long Step => Train.Step;

    /// <summary>The copy that would be taken; <see langword="null"/> for a fresh start.</summary>
    public string? Source { get; init; }

    /// <summary>Whether nothing would be restored.</summary>
    public bool IsFresh => Source is null;

    /// <summary>Newer copies that could not be used, each with its file and reason.</summary>
    public IReadOnlyList<CheckpointFault> PassedOver { get; init; } = [];
}
