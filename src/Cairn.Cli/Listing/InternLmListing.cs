using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Cli.Listing;

/// <summary>A folder that InternLM wrote, judged as a resume judges it.</summary>
internal static class InternLmListing
{
    /// <summary>The copy; <see langword="null"/> when it is none of InternLM.</summary>
    /// <param name="name">Its name in the list.</param>
    /// <param name="folder">The folder: its own name is a step, a slot, or any other.</param>
    /// <param name="names">The names of its files.</param>
    public static ListedCopy? Of(string name, DirectoryInfo folder, IReadOnlySet<string> names)
    {
        var files = new LocalFileSystem(folder.Parent?.FullName ?? folder.FullName);
        string path = folder.Parent is null ? "" : folder.Name;
        bool isOwn = names.Contains(RunFolder.Manifest);
        long? step = InternLmRecognition.StepOf(files, path, names);
        if (!isOwn && !InternLmRecognition.IsCheckpoint(files, path, names, out step))
            return null;
        SaveKind kind = name.StartsWith(RunFolder.Snapshots + "/", StringComparison.Ordinal) ? SaveKind.Snapshot : InternLmRecognition.KindOf(folder.Name, step);
        bool isNamed = RunFolder.IsStep(folder.Name, out long number) && kind == SaveKind.Checkpoint;
        string? fault = isNamed && !names.Contains(Marker.FileName(number)) ? $"there is no {Marker.FileName(number)}: the save did not end"
            : Fault(files, path, kind, isNamed ? number : step);
        // Weights as they are handed on have no marker, and nobody resumes from them.
        return new ListedCopy(name, CopyRecognition.InternLm, kind == SaveKind.Snapshot ? CopyKinds.Snapshot : step is null && fault is null ? CopyKinds.Model : CopyKinds.Checkpoint)
        {
            Step = isNamed ? number : step,
            Slot = kind == SaveKind.Snapshot && int.TryParse(folder.Name, out int slot) ? slot : null,
            Fault = fault,
        };
    }

    private static string? Fault(LocalFileSystem files, string path, SaveKind kind, long? step)
    {
        if (step is { } marked)
            return CatalogEntry.At(files, path, kind, marked).Fault is { } fault ? CopyListing.Within(path, fault) : null;
        try
        {
            Layouts.InternLm.InternLmCopy.Describe(files, path, kind, step: null);
            return null;
        }
        catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }
}
