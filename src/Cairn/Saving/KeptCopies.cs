using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>Snapshots that were pinned when their slots were taken: they stand in <c>kept/</c> until nobody needs them.</summary>
internal static class KeptCopies
{
    /// <summary>The name of a snapshot there.</summary>
    public static string NameOf(CatalogEntry snapshot) => $"snapshot-{RunFolder.Checkpoint(snapshot.Step)}";

    /// <summary>What to tell about one that has moved there.</summary>
    public static string Note(CatalogEntry snapshot, CopyPins pins, string place) => $"the snapshot of step {snapshot.Step} is kept for {string.Join(", ", pins.Of(snapshot).Select(pin => pin.Describe))}, and is now {place}/";

    /// <summary>Removes those that nobody needs any more, and pins whose time is over. What cannot be removed now is removed the next time.</summary>
    /// <param name="files">The run.</param>
    /// <param name="pins">Who needs what.</param>
    /// <param name="removeCopy">Removes a folder.</param>
    /// <param name="removeFile">Removes a file.</param>
    public static void Tidy(IFileSource files, CopyPins pins, Action<string> removeCopy, Action<string> removeFile)
    {
        try
        {
            foreach (string folder in files.List(RunFolder.Kept).Where(entry => entry.IsFolder).Select(entry => $"{RunFolder.Kept}/{entry.Name}").Where(folder => !pins.Hold(Catalog.Snapshot(files, folder))))
                removeCopy(folder);
            foreach (CheckpointPin pin in pins.Over)
                removeFile(pin.Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The save is made, whatever becomes of what is left over.
        }
    }
}
