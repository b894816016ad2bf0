using Cairn.Commit;
using Cairn.Layouts.InternLm;

namespace Cairn.Cli.Listing;

/// <summary>A folder that InternLM wrote, as its names tell.</summary>
internal static class InternLmFolder
{
    private const int MostMissing = 1000;

    /// <summary>The copy; <see langword="null"/> when it is none of InternLM.</summary>
    /// <param name="name">Its name in the list.</param>
    /// <param name="folder">The folder's own name: a step, or a slot.</param>
    /// <param name="files">The names of its files.</param>
    public static ListedCopy? Of(string name, string folder, IReadOnlySet<string> files)
    {
        List<InternLmFileName> known = [];
        foreach (string file in files)
        {
            if (InternLmFileName.TryParse(file, out InternLmFileName? parsed))
                known.Add(parsed);
        }
        if (!known.Exists(file => file.Kind is InternLmFileKind.Model or InternLmFileKind.Context))
            return null;
        bool isSlot = name.StartsWith(RunFolder.Snapshots + "/", StringComparison.Ordinal);
        // Of several markers in one slot the highest counts: an older one is left over.
        long? marked = known.Max(file => file.Step);
        long? step = isSlot ? marked : RunFolder.IsStep(folder, out long number) ? number : marked;
        return new ListedCopy(name, ForeignCopy.InternLm, isSlot ? CopyKinds.Snapshot : CopyKinds.Checkpoint)
        {
            Step = step,
            Slot = isSlot && int.TryParse(folder, out int slot) ? slot : null,
            Fault = Fault(known, step),
        };
    }

    private static string? Fault(List<InternLmFileName> files, long? step)
    {
        if (!files.Exists(file => file.Kind == InternLmFileKind.Step))
            return step is { } number ? $"there is no {Marker.FileName(number)}: the save did not end" : "there is no .step file: the save did not end";
        if (step is { } named && !files.Exists(file => file.Step == named))
            return $"its marker is not {Marker.FileName(named)}";
        var sizes = new Layouts.InternLm.InternLmFolder(files.Select(file => file.ToString()));
        // A name may claim any number of ranks.
        string[] missing = [.. sizes.Required().Where(file => !sizes.Has(file)).Take(MostMissing).Select(file => file.ToString()).Order(StringComparer.Ordinal)];
        return missing.Length == 0 ? null : ForeignCopy.Missing(missing);
    }
}
