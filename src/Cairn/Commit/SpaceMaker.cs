using Cairn.Policies;
using Cairn.Resume;
using Cairn.Storage;

namespace Cairn.Commit;

/// <summary>Makes room for a save before it begins: what is only kept for speed goes first, then the older snapshot; never the last good copy.</summary>
internal sealed class SpaceMaker(IFileSystem files)
{
    // The marker, folder entries, and what the file system takes for itself.
    private const long Reserve = 4 << 20;

    /// <exception cref="StoreException">There is no room, and nothing left that may go.</exception>
    public void Ensure(long bytes, string staged, List<string> notes)
    {
        // Files that stand in the staging folder already are overwritten in place.
        long recycled = files.List(staged).Where(file => !file.IsFolder).Sum(file => file.Length);
        if (Fits(bytes - recycled))
            return;
        foreach (FileSystemEntry entry in files.List(RunFolder.Staging))
            files.DeleteFolder($"{RunFolder.Staging}/{entry.Name}");
        if (Fits(bytes))
            return;
        if (OlderSnapshot() is { } older)
        {
            // The marker first: a folder that is half removed must not look like a copy.
            files.DeleteFile($"{older.Folder}/{Marker.FileName(older.Step)}");
            files.SyncFolder(older.Folder);
            files.DeleteFolder(older.Folder);
            files.SyncFolder(RunFolder.Snapshots);
            notes.Add($"the snapshot of step {older.Step} was given up to make room");
            if (Fits(bytes))
                return;
        }
        throw new StoreException(
            $"There is no room in {files.Root}: the save takes {bytes} bytes, {files.AvailableBytes()} are free. Earlier copies are untouched. Free space, or set a retention rule.")
        {
            Path = files.Root,
            Expected = $"{bytes} bytes free",
            Found = $"{files.AvailableBytes()} bytes free",
            IsTransient = true,
        };
    }

    private bool Fits(long bytes) => files.AvailableBytes() is not { } available || available >= bytes + Reserve;

    // Only a snapshot below a copy that has just been read and found good may go.
    private CatalogEntry? OlderSnapshot()
    {
        Catalog catalog = Catalog.Read(files);
        CatalogEntry? older = catalog.Entries.LastOrDefault(entry => entry is { Kind: SaveKind.Snapshot, Marker: not null });
        return older is not null && catalog.Entries.Any(entry => entry.Step >= older.Step && entry.Folder != older.Folder && Verifier.Verify(files, entry) is null)
            ? older
            : null;
    }
}
