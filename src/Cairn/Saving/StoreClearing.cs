using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>What stands where a new copy goes, in a store that cannot rename: what is nobody's is removed, what somebody may need is kept under another name.</summary>
/// <param name="store">The run.</param>
/// <param name="lease">The right to write the run.</param>
internal sealed class StoreClearing(IRunStore store, ILease? lease)
{
    private readonly StoreFiles _files = new(store);
    private readonly StorePlacement _placement = new(store);
    private readonly StoredMarker _marker = new(store);
    private readonly HashSet<string> _own = new(StringComparer.Ordinal);

    private CopyPins Pins => CopyPins.Read(_files);

    /// <summary>Remembers an attempt of this process.</summary>
    public void Begins(string attempt) => _own.Add(attempt);

    /// <summary>Makes way for a copy whose files are written and whose marker is not.</summary>
    /// <param name="place">Where they were written.</param>
    /// <param name="path">Where the marker goes.</param>
    /// <param name="marker">The marker.</param>
    /// <param name="notes">Takes what was moved, in words.</param>
    public void MakeWay(string place, string path, Marker marker, List<string> notes)
    {
        // What is kept may be another run's, or of a branch that was left.
        string folder = StorePath.Parent(place), attempt = MarkerPublisher.AttemptOf(place);
        var line = LineView.Of(marker);
        if (marker.Kind == SaveKind.Snapshot)
        {
            // A marker that cannot be read now fails the save: whose it is must be known before anything goes.
            Marker? other = _files.List(folder).Where(CopyMarks.IsMark).Select(mark => StoredMarker.Read(_files, $"{folder}/{mark.Name}")).FirstOrDefault(found => found is not null && line.StandingOf(found) == CopyStanding.OfOtherRun);
            if (other is not null)
                notes.Add($"{folder}/ held the snapshot of step {other.Step} of another run, which is now {_placement.MoveAside(folder, attempt, $"snapshot-{RunFolder.Checkpoint(other.Step)}")}/");
            else
                KeepIfNeeded(folder, attempt, notes);
            if (other is null && _files.FileExists(path))
                // Of this step and of a branch that was left: no copy that anybody needs.
                _placement.Delete(path);
            return;
        }
        HashSet<string> underWay = [.. _files.List(RunFolder.Staging).Select(intent => intent.Name)];
        if (_files.List(folder).All(entry => underWay.Contains(entry.Name)))
            return;
        var standing = new CatalogEntry(_files, folder, SaveKind.Checkpoint, marker.Step);
        bool isOwn = standing.Written?.Attempt is { } earlier && _own.Contains(earlier);
        // One that was passed over at the start: its sizes are right, and its bytes are not.
        bool isOfBefore = standing.Written is { } written && (written.Attempt is null || written.Fence < lease?.Fence);
        if (line.Holds(standing) && !isOwn && !isOfBefore)
            throw _marker.NotAlone(path);
        string why = line.StandingOf(standing) == CopyStanding.OfOtherRun ? "it belongs to another run"
            : standing.Fault?.ToString() ?? (isOwn ? "an earlier save of this step was complete, and its answer was lost" : line.Holds(standing) ? "an earlier process saved it" : "it belongs to a branch that was left");
        notes.Add($"{folder}/ stood in the way ({why}) and is now {_placement.MoveAside(folder, attempt, folder)}/");
    }

    /// <summary>Makes way for a copy of another program. What an interrupted transfer of the same copy left has no mark, and goes; all else that stands there is kept. The older snapshot goes, as it does by a save.</summary>
    public void MakeWayFor(IUnmarkedCopy copy, string folder, bool isSnapshot, List<string> notes)
    {
        IReadOnlyList<FileSystemEntry> standing = _files.List(folder);
        if (standing.Count == 0)
            return;
        HashSet<string> names = [.. copy.Files.Select(file => file.Name)];
        bool isLeftOver = standing.All(entry => !CopyMarks.IsMark(entry) && !entry.IsFolder && names.Contains(entry.Name));
        if (isSnapshot)
            KeepIfNeeded(folder, "", notes);
        if (isSnapshot || isLeftOver)
            _placement.DeleteAll(folder);
        else
            notes.Add($"{folder}/ stood in the way and is now {_placement.MoveAside(folder, "", folder)}/");
    }

    private void KeepIfNeeded(string slot, string attempt, List<string> notes)
    {
        CopyPins pins = Pins;
        if (Catalog.Snapshot(_files, slot) is var standing && pins.Hold(standing))
            notes.Add(KeptCopies.Note(standing, pins, _placement.MoveAside(slot, attempt, KeptCopies.NameOf(standing), RunFolder.Kept)));
    }

    /// <summary>Keeps the snapshot that a new marker has replaced, if somebody pinned it: who did so before the new marker was put has been told that it stands.</summary>
    public void KeepReplaced(string place, string path, List<string> notes)
    {
        CopyPins pins = Pins;
        if (pins.All.Count == 0)
            return;
        string folder = StorePath.Parent(place);
        foreach (FileSystemEntry mark in _files.List(folder).Where(mark => CopyMarks.IsMark(mark) && $"{folder}/{mark.Name}" != path))
        {
            if (!RunFolder.IsStep(Path.GetFileNameWithoutExtension(mark.Name), out long step) || CatalogEntry.At(_files, folder, SaveKind.Snapshot, step) is not { Written: { } written } replaced || !pins.Hold(replaced))
                continue;
            // Files of a copy that came from a disk stand beside its marker.
            string aside = _placement.CarryAside(folder, entry => entry.Name == mark.Name || entry.Name == written.Attempt || (written.Attempt is null && !CopyMarks.IsMark(entry) && !entry.IsFolder), KeptCopies.NameOf(replaced), RunFolder.Kept);
            notes.Add(KeptCopies.Note(replaced, pins, aside));
        }
    }
}
