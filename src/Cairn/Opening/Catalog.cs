using Cairn.Checkpoints;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>
/// What stands in a run's folder, as the names say. Making one lists a few folders and reads no file; each entry reads
/// its marker when it is asked for it, so that a run of ten thousand checkpoints opens at once.
/// </summary>
internal sealed class Catalog
{
    private Catalog(IReadOnlyList<CatalogEntry> entries) => Entries = entries;

    /// <summary>All checkpoints and snapshots, complete or not, the highest step first; at one step the checkpoint comes before the snapshot.</summary>
    public IReadOnlyList<CatalogEntry> Entries { get; }

    /// <summary>The first steps in words, for messages.</summary>
    public string Steps => Entries.Count == 0 ? "none" : string.Join(", ", Entries.Where(entry => entry.Step >= 0).Select(entry => entry.Step).Distinct().Take(20));

    /// <summary>Lists a run.</summary>
    public static Catalog Read(IFileSource files)
    {
        var entries = new List<CatalogEntry>();
        foreach (FileSystemEntry found in files.List(""))
        {
            if (found is { IsFolder: true, Name: RunFolder.Kept })
                entries.AddRange(files.List(RunFolder.Kept).Where(kept => kept.IsFolder).Select(kept => Snapshot(files, $"{RunFolder.Kept}/{kept.Name}")));
            if (found.IsFolder && RunFolder.IsStep(found.Name, out long step))
                entries.Add(new CatalogEntry(files, found.Name, SaveKind.Checkpoint, step));
        }
        for (int slot = 0; slot < RunFolder.Slots; slot++)
        {
            string folder = RunFolder.Slot(slot);
            if (files.FolderExists(folder))
                entries.Add(Snapshot(files, folder, slot));
        }
        entries.Sort((a, b) => a.Step == b.Step ? a.Kind.CompareTo(b.Kind) : b.Step.CompareTo(a.Step));
        return new Catalog(entries);
    }

    /// <summary>This run together with copies that stand nearer; of the same step, these come first.</summary>
    public Catalog With(IEnumerable<CatalogEntry> nearer) => new([.. nearer.Concat(Entries).OrderByDescending(entry => entry.Step)]);

    /// <summary>The snapshot in a folder, whichever step it is of.</summary>
    public static CatalogEntry Snapshot(IFileSource files, string folder, int? slot = null) =>
        new(files, folder, SaveKind.Snapshot, MarkedStep(files, folder)) { Slot = slot };

    // Of several markers in one slot all but one are left over: InternLM's counters say which is right, else the highest counts.
    private static long MarkedStep(IFileSource files, string folder)
    {
        string[] names = [.. files.List(folder).Where(file => !file.IsFolder).Select(file => file.Name)];
        long[] steps = [.. names.Where(name => name.EndsWith(".step", StringComparison.Ordinal)).Select(name => RunFolder.IsStep(name[..^".step".Length], out long step) ? step : CatalogEntry.NoStep)];
        return steps.Length <= 1 || !InternLmRecognition.IsCheckpoint(files, folder, names, out long? marked) ? steps.DefaultIfEmpty(CatalogEntry.NoStep).Max() : marked ?? steps.Max();
    }
}
