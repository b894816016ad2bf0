using Cairn.Storage;

namespace Cairn.Commit;

/// <summary>Which snapshot slot the next snapshot takes: read from the store each time, never remembered.</summary>
internal static class SlotChoice
{
    /// <summary>An empty slot, else one whose copy is damaged or of a branch that was left, else the one of the lower step.</summary>
    public static int Victim(IFileSystem files, Lineage lineage)
    {
        int victim = 0;
        long lowest = long.MaxValue;
        for (int slot = 0; slot < RunFolder.Slots; slot++)
        {
            long worth = Worth(files, slot, lineage);
            if (worth < lowest)
                (victim, lowest) = (slot, worth);
        }
        return victim;
    }

    private static long Worth(IFileSystem files, int slot, Lineage lineage)
    {
        string folder = RunFolder.Slot(slot);
        if (!files.FolderExists(folder))
            return -2;
        return Catalog.Snapshot(files, folder, slot).Marker is { } marker && lineage.Contains(marker.Lineage.Current.Id, marker.Step) ? marker.Step : -1;
    }
}
