using Cairn.Commit;
using Cairn.Layouts.InternLm;

namespace Cairn.Cli.Listing;

/// <summary>A folder that InternLM wrote, as its names tell.</summary>
internal static class InternLmFolder
{
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
        string[] missing = [.. Expected(files).Except(files.Select(file => file.ToString()), StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        return missing.Length == 0 ? null : ForeignCopy.Missing(missing);
    }

    // Every rank up to the highest one writes its weights, and its part of the optimizer. Under ISP the same ranks are numbered by tp and by wp,
    // so that not every pair exists.
    private static IEnumerable<string> Expected(List<InternLmFileName> files)
    {
        foreach (IGrouping<string, InternLmFileName> form in files.Where(file => file is { Kind: InternLmFileKind.Model or InternLmFileKind.Optimizer, Wp: null }).GroupBy(Form, StringComparer.Ordinal))
        {
            InternLmFileName[] ranks = [.. form];
            InternLmFileName first = ranks[0];
            foreach (int? tp in UpTo(ranks.Max(file => file.Tp)))
            foreach (int? pp in UpTo(ranks.Max(file => file.Pp)))
            foreach (int? dp in UpTo(ranks.Max(file => file.Dp)))
            foreach (int? zo in UpTo(ranks.Max(file => file.Zo)))
                yield return (first with { Tp = tp, Pp = pp, Dp = dp, Zo = zo }).ToString();
        }
    }

    private static string Form(InternLmFileName file) => $"{file.Kind} {file.Dp is not null} {file.Zo is not null}";

    private static IEnumerable<int?> UpTo(int? highest) => highest is { } last ? Enumerable.Range(0, last + 1).Select(rank => (int?)rank) : [null];
}
