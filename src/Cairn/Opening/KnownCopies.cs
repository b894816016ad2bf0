using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>
/// The copies of a run as the process that trains it knows them. A checkpoint that was found complete is not read again after each save, so that the thousandth save asks the store for no more than the tenth. Under the run's lock
/// nobody else changes a checkpoint, but a hand or a disk can: what a removal relies on is looked at anew (<see cref="AreAsKnown"/>).
/// </summary>
internal sealed class KnownCopies
{
    private IReadOnlyList<CatalogEntry> _copies = [];

    /// <summary>Lists the run, as <see cref="Catalog.Read"/> does. Complete checkpoints of the line that were looked at after an earlier call are those of then.</summary>
    /// <param name="files">The run.</param>
    /// <param name="line">The line. A copy of another one may make way for one of this line at any save, also at one that then fails.</param>
    /// <param name="saved">The checkpoint that was saved just now.</param>
    public IReadOnlyList<CatalogEntry> Read(IFileSource files, LineView line, long saved)
    {
        Dictionary<string, CatalogEntry> known = _copies.Where(copy => copy is { Kind: SaveKind.Checkpoint, IsKnownComplete: true } && copy.Step != saved && line.Holds(copy)).ToDictionary(copy => copy.Folder, StringComparer.Ordinal);
        return _copies = [.. Catalog.Read(files).Entries.Select(copy => known.GetValueOrDefault(copy.Folder, copy))];
    }

    /// <summary>Whether each of these copies still stands there, complete and with the marker that it had.</summary>
    public static bool AreAsKnown(IFileSource files, IEnumerable<CatalogEntry> copies) =>
        copies.All(copy => CatalogEntry.At(files, copy.Folder, copy.Kind, copy.Step) is { Marker: not null } now && now.MarkerDigest == copy.MarkerDigest);

    /// <summary>Looks at copies anew when they are asked for next.</summary>
    public void Forget(IEnumerable<CatalogEntry> copies) => _copies = [.. _copies.Except(copies)];

    /// <summary>Looks at all copies anew when they are asked for next.</summary>
    public void ForgetAll() => _copies = [];
}
