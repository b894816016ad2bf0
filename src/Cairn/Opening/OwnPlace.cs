using System.Globalization;
using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>Whether <see cref="CheckpointOptions.ResumeFrom"/> names the run itself or a copy of it, however it is written: a step, or a path through links and mounts.</summary>
internal static class OwnPlace
{
    /// <summary>The step of the run's own copy that is meant; <see langword="null"/> when another place is.</summary>
    public static long? StepOf(IFileSource files, string from)
    {
        if (long.TryParse(from, NumberStyles.None, CultureInfo.InvariantCulture, out long step))
            return step;
        string full = PlacePath.Full(from), name = PlacePath.Name(full);
        if (PlacePath.Parent(full) is not { } parent)
            return null;
        if (RunFolder.IsStep(name, out step) && PlacePath.IsOf(files, parent))
            return step;
        bool isSnapshot = PlacePath.Name(parent) == RunFolder.Snapshots && PlacePath.Parent(parent) is { } run && PlacePath.IsOf(files, run);
        return isSnapshot && Catalog.Snapshot(files, $"{RunFolder.Snapshots}/{name}") is { Step: not CatalogEntry.NoStep } snapshot ? snapshot.Step : null;
    }

    /// <summary>Whether a slot of the snapshots is meant, which holds one step after another.</summary>
    public static bool IsSlot(string from) => PlacePath.Parent(PlacePath.Full(from)) is { } parent && PlacePath.Name(parent) == RunFolder.Snapshots;

    /// <summary>Whether the run's own folder is meant.</summary>
    public static bool IsRun(IFileSource files, string from) => PlacePath.IsOf(files, PlacePath.Full(from));
}
