using Cairn.Checkpoints;
using Cairn.Opening;

namespace Cairn.Cli.Listing;

/// <summary>Words for what is listed.</summary>
internal static class CopyKinds
{
    public const string Checkpoint = "checkpoint", Snapshot = "snapshot", Model = "model", File = "file";
}

/// <summary>A saved state in a folder, whoever wrote it.</summary>
/// <param name="Name">The folder or file, relative to what is listed.</param>
/// <param name="Layout">The layout's name, as in <see cref="Layouts.CheckpointSource"/>.</param>
/// <param name="Kind">One of <see cref="CopyKinds"/>.</param>
internal sealed record ListedCopy(string Name, string Layout, string Kind)
{
    /// <summary>The step; <see langword="null"/> when no name tells it.</summary>
    public long? Step { get; init; }
    /// <summary>The slot of a snapshot.</summary>
    public int? Slot { get; init; }
    /// <summary>Why it was saved, where that is recorded.</summary>
    public string? Reason { get; init; }
    /// <summary>When it was saved.</summary>
    public DateTimeOffset? Time { get; init; }
    /// <summary>Bytes of its files.</summary>
    public long Bytes { get; init; }
    /// <summary>How many files it has.</summary>
    public int Files { get; init; }
    /// <summary>What is missing or wrong; <see langword="null"/> when it is complete.</summary>
    public string? Fault { get; init; }
    /// <summary>The name of its branch.</summary>
    public string? Branch { get; init; }
    /// <summary>Whether it belongs to a branch that was left: kept, and not resumed.</summary>
    public bool IsLeftBehind { get; init; }
    /// <summary>Whether another run saved it, complete or not.</summary>
    public bool IsOfOtherRun { get; init; }
    /// <summary>The parts that it has lost to save space; <see langword="null"/> for none. A restart does not take it.</summary>
    public string? WeightsOnly => Entry?.Marker is { IsWeightsOnly: true } marker ? marker.DroppedParts : null;
    /// <summary>Who needs it.</summary>
    public IReadOnlyList<CheckpointPin> Pins { get; init; } = [];
    /// <summary>Its entry in the catalog of a run of Cairn.</summary>
    public CatalogEntry? Entry { get; init; }
}
