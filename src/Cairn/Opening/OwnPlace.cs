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

    /// <summary>Whether the run's own best checkpoint is meant: <c>best</c>, or the run's folder and <c>best</c>.</summary>
    public static bool IsBest(IFileSource files, string from)
    {
        if (from == RunFolder.BestName)
            return true;
        string full = PlacePath.Full(from);
        return PlacePath.Name(full) == RunFolder.BestName && PlacePath.Parent(full) is { } parent && PlacePath.IsOf(files, parent) && !files.FolderExists(RunFolder.BestName);
    }

    /// <summary>Whether what is meant is another step from time to time: a slot of the snapshots, or the best checkpoint.</summary>
    public static bool IsMoving(IFileSource files, string from) => IsBest(files, from) || IsSlot(from);

    /// <summary>Whether a slot of the snapshots is meant, which holds one step after another.</summary>
    private static bool IsSlot(string from) => PlacePath.Parent(PlacePath.Full(from)) is { } parent && PlacePath.Name(parent) == RunFolder.Snapshots;

    /// <summary>Whether the run's own folder is meant.</summary>
    public static bool IsRun(IFileSource files, string from) => PlacePath.IsOf(files, PlacePath.Full(from));
}
