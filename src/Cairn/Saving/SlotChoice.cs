using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>A slot of the snapshots as the store has it now.</summary>
/// <param name="Entry">What is in it; <see langword="null"/> when it is empty.</param>
/// <param name="Folder">Its folder.</param>
/// <param name="Standing">Where the copy in it stands.</param>
internal sealed record SnapshotSlot(CatalogEntry? Entry, string Folder, CopyStanding Standing)
{
    // The line's own copies are worth their steps; another run's copy is moved away before one of them goes.
    public long KeepPriority => Entry is null ? -3
        : Standing == CopyStanding.OfOtherRun ? -1
        : Standing == CopyStanding.OfLine && Entry.Marker is not null ? Entry.Step : -2;
}

/// <summary>Which snapshot slot the next snapshot takes: read from the store each time, never remembered.</summary>
internal static class SlotChoice
{
    /// <summary>
    /// The slots in the order in which they are taken: an empty one, one whose copy is damaged or of a branch that was left, one that another run's copy
    /// holds, then the line's own from the lower step on.
    /// </summary>
    public static IReadOnlyList<SnapshotSlot> InOrder(IFileSource files, LineView line)
    {
        var slots = new List<SnapshotSlot>(RunFolder.Slots);
        for (int slot = 0; slot < RunFolder.Slots; slot++)
        {
            string folder = RunFolder.Slot(slot);
            CatalogEntry? entry = files.FolderExists(folder) ? Catalog.Snapshot(files, folder, slot) : null;
            slots.Add(new SnapshotSlot(entry, folder, entry is null ? CopyStanding.Unmarked : line.StandingOf(entry)));
        }
        return [.. slots.OrderBy(slot => slot.KeepPriority)];
    }

    /// <summary>
    /// The slot that the next snapshot takes. When somebody needs the copy in the one whose turn it is, the other one, but for the line's newest complete copy, which is never given up for this: then it is the
    /// first all the same, and its copy has to be moved to <c>kept/</c> before.
    /// </summary>
    public static SnapshotSlot For(IFileSource files, LineView line, CopyPins pins)
    {
        IReadOnlyList<SnapshotSlot> slots = InOrder(files, line);
        if (!IsNeeded(slots[0], pins))
            return slots[0];
        CatalogEntry? newest = Catalog.Read(files).Entries.FirstOrDefault(entry => line.Holds(entry) && !entry.Marker!.IsWeightsOnly);
        return slots.FirstOrDefault(slot => slot.Folder != newest?.Folder && !IsNeeded(slot, pins)) ?? slots[0];
    }

    /// <summary>Whether somebody needs what is in a slot.</summary>
    public static bool IsNeeded(SnapshotSlot slot, CopyPins pins) => slot.Entry is { } entry && pins.Hold(entry);
}
