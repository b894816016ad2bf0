using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>Ends or removes what a crash left under way in a store that cannot rename, without reading every copy of the run.</summary>
/// <param name="store">The run.</param>
internal sealed class InterruptedSaves(IRunStore store)
{
    private readonly StoreFiles _files = new(store);
    private readonly StorePlacement _placement = new(store);

    /// <summary>Goes through all that is said to be under way.</summary>
    /// <param name="pins">Copies that are not removed.</param>
    public void EndAll(CopyPins pins)
    {
        foreach (FileSystemEntry intent in _files.List(RunFolder.Staging))
        {
            string path = $"{RunFolder.Staging}/{intent.Name}";
            if (intent.IsFolder)
            {
                _placement.DeleteAll(path);
                continue;
            }
            switch (SaveIntents.Read(_files, intent))
            {
                case (true, var folder) when IsPlace(folder):
                    End(folder, intent.Name);
                    break;
                case (false, var retired) when RunFolder.IsStep(retired, out long step) && !pins.Hold(CatalogEntry.At(_files, retired, SaveKind.Checkpoint, step)):
                    _placement.DeleteAll(retired);
                    break;
            }
            _placement.Delete(path);
        }
        if (store is IUnfinishedObjects unfinished)
            StoreCall.Wait(() => unfinished.RemoveUnfinishedAsync(IsOfCopies));
    }

    /// <summary>
    /// Ends a save in a folder: once its attempt has its marker, what it replaces goes, first the other markers, then the files that no marker names. Without it, its own files go. Where a store kept what it said was removed, a
    /// newer save may stand beside an older one that was never ended: then the newest stays.
    /// </summary>
    public void End(string folder, string attempt)
    {
        IReadOnlyList<FileSystemEntry> entries = _files.List(folder);
        (string Mark, Marker? Marker, string? Attempt)[] marks = [.. entries.Where(CopyMarks.IsMark).Select(mark => Read(folder, mark.Name))];
        // What a marker that cannot be understood vouches for, nobody knows. A newer version of Cairn may have put it.
        if (marks.All(mark => mark.Attempt != attempt) && marks.Any(mark => mark.Attempt is null))
            return;
        bool isComplete = marks.Any(mark => mark.Attempt == attempt);
        if (isComplete)
        {
            var newest = marks.Where(mark => mark.Marker is not null).MaxBy(mark => (mark.Marker!.Fence ?? 0, mark.Marker.Time, mark.Marker.Step));
            foreach ((string other, _, _) in marks.Where(mark => mark.Mark != newest.Mark))
                _placement.Delete($"{folder}/{other}");
            marks = [newest];
        }
        // A checkpoint that has lost its marker is kept as it is; in a slot nothing is.
        bool isSlot = !RunFolder.IsStep(folder, out _);
        foreach (FileSystemEntry left in entries.Where(entry => IsAttempt(entry) && (isSlot || entry.Name == attempt) && marks.All(mark => mark.Attempt != entry.Name)))
            _placement.DeleteAll($"{folder}/{left.Name}");
        // Of a copy that came from a disk.
        foreach (FileSystemEntry left in entries.Where(entry => isSlot && isComplete && marks[0].Attempt is { Length: > 0 } && !entry.IsFolder && !CopyMarks.IsMark(entry)))
            _placement.Delete($"{folder}/{left.Name}");
    }

    // There is no attempt when the marker cannot be understood; it is empty when its files stand beside it.
    private (string Mark, Marker? Marker, string? Attempt) Read(string folder, string mark) =>
        StoredMarker.Read(_files, $"{folder}/{mark}") is { } marker ? (mark, marker, marker.Attempt ?? "") : (mark, null, null);

    private static bool IsAttempt(FileSystemEntry entry) => entry.IsFolder && entry.Name.StartsWith(Marker.AttemptStart);

    // Below anything else may stand another run, which is being saved just now.
    private static bool IsOfCopies(string path)
    {
        string first = path.Split('/')[0];
        return RunFolder.IsStep(first, out _) || first is RunFolder.Snapshots or RunFolder.Abandoned or RunFolder.Kept;
    }

    private static bool IsPlace(string folder) => RunFolder.IsStep(folder, out _) || Enumerable.Range(0, RunFolder.Slots).Any(slot => RunFolder.Slot(slot) == folder);
}
