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
    /// Ends a save in a folder: once its attempt has its marker, what it replaces goes, first the other markers, then the files that no marker names. Without it, its own files go.
    /// </summary>
    public void End(string folder, string attempt)
    {
        IReadOnlyList<FileSystemEntry> entries = _files.List(folder);
        (string Mark, string? Attempt)[] marks = [.. entries.Where(CopyMarks.IsMark).Select(mark => (mark.Name, AttemptIn($"{folder}/{mark.Name}")))];
        // What a marker that cannot be understood vouches for, nobody knows. A newer version of Cairn may have put it.
        if (marks.All(mark => mark.Attempt != attempt) && marks.Any(mark => mark.Attempt is null))
            return;
        if (marks.Any(mark => mark.Attempt == attempt))
        {
            foreach ((string other, _) in marks.Where(mark => mark.Attempt != attempt))
                _placement.Delete($"{folder}/{other}");
            marks = [("", attempt)];
        }
        // A checkpoint that has lost its marker is kept as it is; in a slot nothing is.
        bool isSlot = !RunFolder.IsStep(folder, out _);
        bool isComplete = marks.Any(mark => mark.Attempt == attempt);
        foreach (FileSystemEntry left in entries.Where(entry => IsAttempt(entry) && (isSlot || entry.Name == attempt) && marks.All(mark => mark.Attempt != entry.Name)))
            _placement.DeleteAll($"{folder}/{left.Name}");
        // Of a copy that came from a disk.
        foreach (FileSystemEntry left in entries.Where(entry => isSlot && isComplete && !entry.IsFolder && !CopyMarks.IsMark(entry)))
            _placement.Delete($"{folder}/{left.Name}");
    }

    // Null when the marker cannot be understood; empty when its files stand beside it.
    private string? AttemptIn(string path) => StoredMarker.Read(_files, path) is { } marker ? marker.Attempt ?? "" : null;

    private static bool IsAttempt(FileSystemEntry entry) => entry.IsFolder && entry.Name.StartsWith(Marker.AttemptStart);

    // Below anything else may stand another run, which is being saved just now.
    private static bool IsOfCopies(string path)
    {
        string first = path.Split('/')[0];
        return RunFolder.IsStep(first, out _) || first is RunFolder.Snapshots or RunFolder.Abandoned or RunFolder.Kept;
    }

    private static bool IsPlace(string folder) => RunFolder.IsStep(folder, out _) || Enumerable.Range(0, RunFolder.Slots).Any(slot => RunFolder.Slot(slot) == folder);
}
