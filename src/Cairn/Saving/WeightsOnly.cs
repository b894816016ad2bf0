using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;

namespace Cairn.Saving;

/// <summary>
/// What of a checkpoint only a restart needs, and how the marker says that it is gone. The weights stay, and so does every part that is not known to be for restarts: a second model, an average of the weights, the counters.
/// </summary>
internal static class WeightsOnly
{
    private static readonly string[] ForRestarts = ["optimizer", "scheduler", "scaler", "sampler", "random", "loader", "dataloader"];

    /// <summary>Whether only a restart needs a part: one of these names, or one that begins with it as in <c>optimizer_generator</c>.</summary>
    public static bool IsForRestarts(string part) => Array.Exists(ForRestarts, name => part == name || part.StartsWith(name + "_", StringComparison.Ordinal));

    /// <summary>The marker of a checkpoint without what only a restart needs; <see langword="null"/> when there is nothing of that, or its layout needs it.</summary>
    public static Marker? Of(Marker marker)
    {
        if (marker is not { Kind: SaveKind.Checkpoint, Layout: Marker.DefaultLayout, IsDerived: false, IsWeightsOnly: false })
            return null;
        MarkedFile[] dropped = [.. marker.Files.Where(file => CairnLayout.PartOf(file.Name) is { } part && IsForRestarts(part))];
        // Without weights there is nothing to keep.
        return dropped.Length == 0 || dropped.Length == marker.Files.Count || !marker.Files.Any(file => CairnLayout.PartOf(file.Name) is { } part && part != TrainState.PartName && !IsForRestarts(part)) ? null
            : marker with { Files = [.. marker.Files.Except(dropped)], Dropped = [.. dropped.Select(file => new DroppedFile(CairnLayout.PartOf(file.Name)!, file.Name, file.Length))] };
    }

    /// <summary>The name of the new marker until it takes the place of the old one: whoever finds it in a checkpoint's folder must not rely on the old one.</summary>
    public static string IntentOf(long step) => $"{RunFolder.Checkpoint(step)}.smaller";

    /// <summary>The checkpoints of a line that lose it: all but the newest ones.</summary>
    /// <param name="entries">The run's copies, the highest step first.</param>
    /// <param name="line">The line.</param>
    /// <param name="keep">How many of the newest keep all.</param>
    /// <param name="pins">What somebody needs as it is.</param>
    public static IEnumerable<CatalogEntry> Among(IEnumerable<CatalogEntry> entries, LineView line, int keep, CopyPins pins) =>
        entries.Where(entry => entry.Kind == SaveKind.Checkpoint && line.Holds(entry) && !entry.Marker!.IsDerived).Skip(keep)
            .Where(entry => !pins.Hold(entry) && (Of(entry.Marker!) is not null || entry.LeftOver.Count > 0));
}
