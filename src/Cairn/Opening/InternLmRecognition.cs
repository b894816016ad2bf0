using Cairn.Checkpoints;
using Cairn.Formats;
using Cairn.Layouts.InternLm;
using Cairn.Policies;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>Recognises folders that InternLM wrote itself, without a marker of Cairn.</summary>
internal static class InternLmRecognition
{
    /// <summary>Whether a folder is one checkpoint of InternLM's; its step where a <c>&lt;step&gt;.step</c> says it.</summary>
    public static bool IsCheckpoint(IFileSource files, string folder, IReadOnlyCollection<string> names, out long? step)
    {
        step = null;
        if (names.Contains(RunFolder.Manifest, StringComparer.Ordinal))
            return false;
        bool isOne = false;
        foreach (string name in names)
        {
            if (!InternLmFileName.TryParse(name, out InternLmFileName? parsed))
                continue;
            if (parsed.Kind == InternLmFileKind.Step && !IsTorch(files, StorePath.Join(folder, name)))
                return false;
            isOne |= parsed.Kind is InternLmFileKind.Step or InternLmFileKind.Model or InternLmFileKind.Optimizer or InternLmFileKind.Context;
        }
        step = isOne ? StepOf(files, folder, names) : null;
        return isOne;
    }

    /// <summary>
    /// The step by the markers' names; <see langword="null"/> when there is none. InternLM never removes an older one, so of several that of the counters is right;
    /// without it the highest, which then contradicts them.
    /// </summary>
    public static long? StepOf(IFileSource files, string folder, IEnumerable<string> names)
    {
        InternLmFileName[] known = [.. names.Select(name => InternLmFileName.TryParse(name, out InternLmFileName? parsed) ? parsed : null).OfType<InternLmFileName>()];
        long[] steps = [.. known.Select(file => file.Step).OfType<long>().Order()];
        if (steps.Length <= 1)
            return steps.Length == 0 ? null : steps[0];
        return Array.Exists(known, file => file.Kind == InternLmFileKind.Context) && CountedIn(files, folder) is { } counted && steps.Contains(counted) ? counted : steps[^1];
    }

    /// <summary>The tier of a folder by its name: in InternLM's slots 0 and 1 stand markers of other steps.</summary>
    public static SaveKind KindOf(string folder, long? step)
    {
        string name = folder[(folder.LastIndexOf('/') + 1)..];
        return RunFolder.IsStep(name, out long number) && number < RunFolder.Slots && number != step ? SaveKind.Snapshot : SaveKind.Checkpoint;
    }

    /// <summary>Whether the copies in a folder are InternLM's, and none is Cairn's.</summary>
    public static bool IsRun(IFileSource run)
    {
        bool any = false;
        foreach (CatalogEntry entry in Catalog.Read(run).Entries)
        {
            string[] names = [.. run.List(entry.Folder).Where(file => !file.IsFolder).Select(file => file.Name)];
            if (IsCheckpoint(run, entry.Folder, names, out _))
                any = true;
            else if (entry.Step != CatalogEntry.NoStep && names.Contains(Marker.FileName(entry.Step), StringComparer.Ordinal))
                return false;
        }
        return any;
    }

    private static long? CountedIn(IFileSource files, string folder)
    {
        try
        {
            using var opened = new InternLmFiles(files, folder);
            return Formats.Torch.TorchTree.ToState(opened.Open(new(InternLmFileKind.Context)).Root) is StateMap context ? StepWitnesses.Counted(context) : null;
        }
        catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException)
        {
            // What is wrong with the counters is said where they are judged.
            return null;
        }
    }

    // Cairn's marker of the same name is JSON.
    private static bool IsTorch(IFileSource files, string path)
    {
        try
        {
            using IReadableFile file = files.OpenRead(path);
            return FileSignature.Of(file).Kind is FileFormat.TorchZip or FileFormat.TorchLegacy or FileFormat.Pickle;
        }
        catch (FileNotFoundException)
        {
            // It was there when the folder was listed.
            throw HeldCopy.Changed(files, StorePath.Parent(path));
        }
    }
}
