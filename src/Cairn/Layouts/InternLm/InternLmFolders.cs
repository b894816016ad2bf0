using Cairn.Commit;
using Cairn.Formats;
using Cairn.Storage;

namespace Cairn.Layouts.InternLm;

/// <summary>Recognises folders that InternLM wrote itself, without a marker of Cairn.</summary>
internal static class InternLmFolders
{
    /// <summary>Whether a folder is one checkpoint of InternLM's; its step where <c>&lt;step&gt;.step</c> says it.</summary>
    public static bool IsCheckpoint(IFileSystem files, string folder, IReadOnlyCollection<string> names, out long? step)
    {
        step = null;
        if (names.Contains(RunFolder.Manifest, StringComparer.Ordinal))
            return false;
        bool isModel = false;
        foreach (string name in names)
        {
            if (!InternLmFileName.TryParse(name, out InternLmFileName? parsed))
                continue;
            if (parsed.Kind == InternLmFileKind.Step)
            {
                if (!IsTorch(files, folder.Length == 0 ? name : $"{folder}/{name}"))
                    return false;
                // Of several markers in a slot the highest counts: InternLM never removes an older one.
                step = Math.Max(step ?? 0, parsed.Step!.Value);
            }
            isModel |= parsed.Kind == InternLmFileKind.Model;
        }
        return isModel || step is not null;
    }

    /// <summary>What InternLM's own resume would take: the highest step that has a marker, the checkpoint before a snapshot.</summary>
    public static (string Folder, long Step)? Newest(IFileSystem run)
    {
        foreach (CatalogEntry entry in Catalog.Read(run).Entries)
        {
            if (entry.Step != CatalogEntry.NoStep && IsCheckpoint(run, entry.Folder, [.. run.List(entry.Folder).Select(file => file.Name)], out long? step) && step == entry.Step)
                return (entry.Folder, entry.Step);
        }
        return null;
    }

    // Cairn's marker of the same name is JSON.
    private static bool IsTorch(IFileSystem files, string path)
    {
        try
        {
            using IReadableFile file = files.OpenRead(path);
            return FileSignature.Of(file).Kind is FileFormat.TorchZip or FileFormat.TorchLegacy or FileFormat.Pickle;
        }
        catch (FileNotFoundException)
        {
            // It was there when the folder was listed.
            throw PinnedCopy.Changed(files, StorePath.Parent(path));
        }
    }
}
