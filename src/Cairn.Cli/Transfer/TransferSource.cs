using Cairn.Checkpoints;
using Cairn.Cli.Listing;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Stores;

namespace Cairn.Cli.Transfer;

/// <summary>What is copied: one copy, or a run with all of its copies. Of Cairn, or of InternLM.</summary>
/// <param name="Files">The folder that the copies are in.</param>
/// <param name="Entries">The copies, the highest step first.</param>
/// <param name="Run">Who the run is; <see langword="null"/> for a folder of another program.</param>
/// <param name="IsOne">Whether the path was that of one copy.</param>
internal sealed record TransferSource(IFileSource Files, IReadOnlyList<CatalogEntry> Entries, RunRecord? Run, bool IsOne)
{
    /// <summary>Looks at what stands at a path or an address.</summary>
    /// <exception cref="CheckpointException">There is neither a copy nor a run.</exception>
    public static TransferSource Open(string path)
    {
        string full = CopyListing.FullPath(path);
        IFileSource files = PlacePath.Open(full);
        if (!files.FolderExists(""))
            throw new CheckpointException($"There is no folder {full}. Give a run, or the folder of one copy in it.") { Path = full };
        if (IsCopy(files, full))
            return One(full);
        var catalog = Catalog.Read(files);
        var run = RunRecord.LoadOrRebuild(files, catalog, out _);
        // A snapshot that is only kept for somebody there is not brought: two slots are all that a run has.
        return run is not null || catalog.Entries.Count > 0 ? new TransferSource(files, [.. catalog.Entries.Where(entry => entry.Kind == SaveKind.Checkpoint || entry.Slot is not null)], run, IsOne: false)
            : throw new CheckpointException($"{full} is no run and no copy of Cairn or InternLM. Try: cairn ls {full}") { Path = full };
    }

    /// <summary>Whether a folder is that of one copy, complete or not.</summary>
    public static bool IsCopy(IFileSource files, string full)
    {
        if (files.FileExists(RunFolder.Record))
            return false;
        if (files.List("").Any(CopyMarks.IsMark))
            return true;
        return Place(full) is var (root, folder) && (folder != PlacePath.Name(full) || RunFolder.IsStep(folder, out _)) && PlacePath.Open(root).FileExists(RunFolder.Record);
    }

    /// <summary>What stands in the place of a copy now; <see langword="null"/> when nothing does.</summary>
    public CatalogEntry? Again(CatalogEntry entry) =>
        !Files.FolderExists(entry.Folder) ? null
        : entry.Kind == SaveKind.Snapshot ? Catalog.Snapshot(Files, entry.Folder, entry.Slot) : CatalogEntry.At(Files, entry.Folder, SaveKind.Checkpoint, entry.Step);

    /// <summary>Whether a copy has no marker because it is being saved or removed just now, in a store.</summary>
    public bool IsUnderWay(CatalogEntry entry) => Files is StoreFiles && entry.Written is null && SaveIntents.AreOf(Files, entry.Folder);

    private static TransferSource One(string full)
    {
        if (Place(full) is not var (root, folder))
            throw new CheckpointException($"{full} is in no folder. Give the folder of a run, or of one copy in it.") { Path = full };
        IFileSource files = PlacePath.Open(root);
        bool isSlot = folder.Contains('/', StringComparison.Ordinal);
        CatalogEntry marked = Catalog.Snapshot(files, folder, isSlot && int.TryParse(PlacePath.Name(full), out int slot) ? slot : null);
        CatalogEntry named = isSlot ? marked : CatalogEntry.At(files, folder, SaveKind.Checkpoint, RunFolder.IsStep(folder, out long step) ? step : marked.Step);
        CatalogEntry entry = named.Marker is null && marked.Marker is not null ? marked : named;
        return new TransferSource(files, [entry], RunOf(files, entry), IsOne: true);
    }

    // The folder beside it may be another run's, and a marker knows its own.
    private static RunRecord? RunOf(IFileSource files, CatalogEntry entry)
    {
        var record = RunRecord.Load(files);
        return (entry.Marker ?? entry.Written) is not { IsDerived: false } marker || record?.Id == marker.Run ? record : new RunRecord(marker.Run, marker.Time, marker.Lineage, null);
    }

    private static (string Root, string Folder)? Place(string full)
    {
        if (PlacePath.Parent(full) is not { } parent)
            return null;
        string name = PlacePath.Name(full);
        return PlacePath.Name(parent) == RunFolder.Snapshots && PlacePath.Parent(parent) is { } root ? (root, $"{RunFolder.Snapshots}/{name}") : (parent, name);
    }
}
