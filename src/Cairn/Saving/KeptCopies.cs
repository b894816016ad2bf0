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

    /// <summary>Those that nobody needs any more.</summary>
    public static IEnumerable<string> Free(IFileSource files, CopyPins pins) =>
        files.List(RunFolder.Kept).Where(entry => entry.IsFolder).Select(entry => $"{RunFolder.Kept}/{entry.Name}").Where(folder => !pins.Hold(Catalog.Snapshot(files, folder)));
}
