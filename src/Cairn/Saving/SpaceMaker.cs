using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>
/// Makes room for a save before it begins: what is only kept for speed goes first, then snapshots that the line does not need. Never the line's newest good copy,
/// never another run's nor what somebody has pinned, and nothing at all unless the save then fits.
/// </summary>
internal sealed class SpaceMaker(IFileSystem files, LineView line, CopyPins pins)
{
    /// <summary>Bytes that stay free: for the marker, folder entries, and what the file system takes for itself.</summary>
    public const long Reserve = 4 << 20;

    /// <summary>Makes room.</summary>
    /// <param name="bytes">Bytes of the save.</param>
    /// <param name="staged">The folder into which it is written.</param>
    /// <param name="slotsHelp">Whether the slots of the snapshots are on the same file system.</param>
    /// <param name="notes">Takes what was given up.</param>
    /// <exception cref="StoreException">There is no room, and what may go would not make enough.</exception>
    public void Ensure(long bytes, string staged, bool slotsHelp, List<string> notes)
    {
        string staging = StorePath.Parent(staged);
        if (files.AvailableBytes(staging) is not { } available)
            return;
        // Files that stand in the staging folder already are overwritten in place.
        long needed = bytes + Reserve - available;
        if (needed <= 0 || needed <= files.ReclaimableBytes(staged))
            return;
        long left = needed - files.ReclaimableBytes(staging);
        IReadOnlyList<SnapshotSlot> given = left <= 0 ? [] : (slotsHelp ? SlotsFor(left) : null) ?? throw NoRoom(bytes, available);
        foreach (FileSystemEntry entry in files.List(staging))
            files.DeleteFolder($"{staging}/{entry.Name}");
        foreach (SnapshotSlot slot in given)
            GiveUp(slot, notes);
        // Bytes that two copies share on the disk come free only with the last of them, and nobody can tell that before.
        if (files.AvailableBytes(staging) is { } now && now < bytes + Reserve)
            throw NoRoom(bytes, now);
    }

    // The fewest slots that make this much room; null when they do not, however many go.
    private List<SnapshotSlot>? SlotsFor(long bytes)
    {
        (SnapshotSlot Slot, long Bytes)[] candidates =
        [
            // What cannot be read today may be readable tomorrow, and another run's.
            .. SlotChoice.InOrder(files, line).Where(slot => slot is { Standing: CopyStanding.OfLine or CopyStanding.LeftBehind } or { Entry.Step: CatalogEntry.NoStep })
                .Where(slot => !SlotChoice.IsNeeded(slot, pins))
                .Select(slot => (slot, files.ReclaimableBytes(slot.Folder))),
        ];
        // Before any copy is read to its end for it.
        if (candidates.Sum(candidate => candidate.Bytes) < bytes || NewestGood() is not { } newest)
            return null;
        var given = new List<SnapshotSlot>();
        foreach ((SnapshotSlot slot, long freed) in candidates)
        {
            if (bytes <= 0)
                break;
            if (slot.Folder == newest.Folder || (slot.Standing == CopyStanding.OfLine && slot.Entry!.Step > newest.Step))
                continue;
            given.Add(slot);
            bytes -= freed;
        }
        return bytes <= 0 ? given : null;
    }

    private CatalogEntry? NewestGood() => Catalog.Read(files).Entries.FirstOrDefault(entry => line.Holds(entry) && !entry.Marker!.IsWeightsOnly && Verifier.Verify(files, entry) is null);

    private void GiveUp(SnapshotSlot slot, List<string> notes)
    {
        // The marker first: a folder that is half removed must not look like a copy.
        CopyMarks.Remove(files, slot.Folder);
        files.DeleteFolder(slot.Folder);
        files.SyncFolder(RunFolder.Snapshots);
        string what = slot.Entry!.Step == CatalogEntry.NoStep ? "an incomplete snapshot" : $"the snapshot of step {slot.Entry.Step}";
        notes.Add($"{what} was given up to make room");
    }

    private StoreException NoRoom(long bytes, long available) => new(
        $"There is no room in {files.Root}: the save takes {bytes} bytes and {Reserve >> 20} MiB more must stay free, {available} bytes are free, and removing what may be removed does not make enough. Earlier copies are untouched. Free space, or set a retention rule.")
    {
        Path = files.Root,
        Expected = $"{bytes} bytes free",
        Found = $"{available} bytes free",
        IsTransient = true,
    };
}
