using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>
/// Publishes by a rename, on a disk.
/// <para>
/// All files of a copy are written into <c>.staging/</c> and made durable one by one; the marker is the last; then the
/// staging folder's entries are made durable, and only then does one atomic rename give the copy its name. So whatever has its
/// name has every byte. A snapshot changes places with the older slot in one atomic exchange; where the system cannot do that, the
/// slot is moved aside first, and <see cref="Recover"/> ends at the next start what a crash left between the two moves. What happens where a rename is not possible
/// at all stands at <see cref="CopyPlacement"/>.
/// The files of the replaced snapshot stay in staging without their marker: overwriting them is several times
/// faster than making new ones, and they are the first to go when space is short. What somebody still reads or has linked is never overwritten: a
/// new file takes its place.
/// </para>
/// </summary>
/// <param name="files">The run.</param>
/// <param name="lease">The right to write the run: checked before a copy is begun, and right before one gets or loses its name. Without one nothing is checked.</param>
internal sealed class RenamePublisher(IFileSystem files, ILease? lease = null) : ICopyPublisher
{
    private const int SessionLength = 12;

    private readonly CopyPlacement _placement = new(files);
    // Drawn anew by each process, so that a late writer of an earlier job finds no folder of this one.
    private readonly string _session = Guid.NewGuid().ToString("N")[..SessionLength];
    private int _count;
    // Holds the files of the snapshot that the last one replaced.
    private string? _recycled;

    public IFileSource Files => files;

    private CopyPins Pins => CopyPins.Read(files);

    public void Recover()
    {
        _placement.SyncFolders();
        for (int slot = 0; slot < RunFolder.Slots; slot++)
        {
            if (files.FolderExists(RunFolder.Slot(slot)) || WholeStagedSnapshot() is not { } staged)
                continue;
            StagedFiles.Sync(files, staged);
            _placement.EnsureFolder(RunFolder.Snapshots);
            _placement.FreeFromFile(RunFolder.Slot(slot), $"file-snapshot-{slot}", []);
            _placement.Place(staged, RunFolder.Slot(slot));
        }
        CopyPins pins = Pins;
        foreach (string staging in CopyPlacement.StagingFolders)
        {
            if (!files.FolderExists(staging))
                continue;
            PutBack(staging, pins);
            files.DeleteFolder(staging);
            files.SyncFolder(StorePath.Parent(staging));
        }
        Tidy(pins);
    }

    private void Tidy(CopyPins pins) => KeptCopies.Tidy(files, pins, _placement.Remove, files.DeleteFile);

    // What was pinned while it lost its name.
    private void PutBack(string staging, CopyPins pins)
    {
        foreach (CatalogEntry copy in files.List(staging).Where(entry => pins.All.Count > 0 && entry.IsFolder).Select(entry => Catalog.Snapshot(files, $"{staging}/{entry.Name}")).Where(pins.Hold))
        {
            if (CatalogEntry.At(files, copy.Folder, SaveKind.Checkpoint, copy.Step).Marker is not null && !files.FolderExists(RunFolder.Checkpoint(copy.Step)))
                _placement.Place(copy.Folder, RunFolder.Checkpoint(copy.Step));
            else
                _placement.MoveAside(copy.Folder, KeptCopies.NameOf(copy), RunFolder.Kept);
        }
    }

    // The new copy if it is whole, else the one that was moved aside for it.
    private string? WholeStagedSnapshot()
    {
        // Without the marker of Cairn it is what was left of a copy that is being overwritten.
        IEnumerable<CatalogEntry> whole = CopyPlacement.StagingFolders
            .SelectMany(staging => files.List(staging).Where(entry => entry.IsFolder).Select(entry => Catalog.Snapshot(files, $"{staging}/{entry.Name}")))
            .Where(copy => copy is { Marker.IsDerived: false })
            .OrderBy(copy => CopyPlacement.IsMovedAside(copy.Folder)).ThenByDescending(copy => copy.Step);
        return whole.FirstOrDefault(copy => Verifier.Verify(files, copy) is null)?.Folder;
    }

    public string Prepare(Marker marker, long bytes, bool isShared, List<string> notes)
    {
        lease?.Check();
        string staged = isShared ? Shared(marker.Kind) : Own(marker);
        try
        {
            if (!isShared && marker.Kind == SaveKind.Checkpoint)
                files.DeleteFolder(staged);
            StagedFiles.Recycle(files, staged);
            // What the slots give up is on their file system.
            bool slotsHelp = marker.Kind == SaveKind.Snapshot || !_placement.SnapshotsApart;
            new SpaceMaker(files, LineView.Of(marker), Pins).Ensure(bytes, staged, slotsHelp, notes);
            _placement.EnsureFolder(StorePath.Parent(staged));
            files.CreateFolder(staged);
            return staged;
        }
        catch when (isShared)
        {
            // Nobody asks for this folder again.
            Discard(staged);
            throw;
        }
    }

    public IWritableFile Create(string place, string name, long length) => files.OpenWrite($"{place}/{name}", length);

    public FileIdentity? IdentityOf(string path) => files.Identify(path);

    public LinkOutcome Share(FormerFile file, string path, string place) => SharedFile.Link(files, file, path, place);

    public string FolderOf(string place, CatalogEntry copy) => copy.Folder;

    public void Settle(string place) => files.SyncFolder(place);

    // Writes the marker, reads it back the way a resume does, and makes the staging folder's entries durable.
    public void Seal(string place, Marker marker)
    {
        StagedFiles.KeepOnly(files, place, marker.Files.Select(file => file.Name));
        byte[] seal = (marker with { Fence = lease?.Fence, Token = lease?.Token }).ToBytes();
        StagedFiles.Write(files, $"{place}/{CheckpointLayouts.Of(marker.Layout).MarkerName(marker.Step)}", seal);
        if (CatalogEntry.At(files, place, marker.Kind, marker.Step).Fault is { } fault)
            throw CopyWriter.NotReadable($"the copy of step {marker.Step}", fault.ToString());
        files.SyncFolder(place);
        // The last thing before the copy gets its name.
        lease?.Check();
    }

    // What a snapshot replaced lies in its staging folder afterwards, without a marker.
    public CatalogEntry Publish(string place, Marker marker, List<string> notes)
    {
        if (marker.Kind == SaveKind.Checkpoint)
            return CommitCheckpoint(place, marker, notes);
        CatalogEntry committed = CommitSnapshot(place, LineView.Of(marker), notes);
        if (files.FolderExists(place))
            _recycled = place;
        return committed;
    }

    public CatalogEntry TakeAsItIs(Marker marker, IUnmarkedCopy copy, List<string> notes)
    {
        string place = Prepare(marker, copy.Files.Sum(file => file.Length), isShared: false, notes);
        try
        {
            foreach (FileSystemEntry file in copy.Files)
            {
                using IWritableFile to = Create(place, file.Name, file.Length);
                copy.Write(file, to);
            }
            StagedFiles.KeepOnly(files, place, copy.Files.Select(file => file.Name));
            Settle(place);
            copy.Check(files, place, copy.Files);
            lease?.Check();
            return Publish(place, marker, notes);
        }
        catch
        {
            Discard(place);
            throw;
        }
    }

    public bool Retire(long step)
    {
        lease?.Check();
        return _placement.Retire(RunFolder.Checkpoint(step), folder => Pins.Hold(CatalogEntry.At(files, folder, SaveKind.Checkpoint, step)));
    }

    public void RemoveAbandoned(string name)
    {
        lease?.Check();
        _placement.Remove($"{RunFolder.Abandoned}/{name}");
    }

    public bool Shrink(CatalogEntry entry, Marker smaller)
    {
        lease?.Check();
        if (!entry.Marker!.IsWeightsOnly)
        {
            // Before pins are looked for: who pins looks for it afterwards.
            string intent = $"{entry.Folder}/{WeightsOnly.IntentOf(entry.Step)}";
            StagedFiles.Write(files, intent, smaller.ToBytes());
            files.SyncFolder(entry.Folder);
            if (Pins.Hold(entry))
            {
                files.DeleteFile(intent);
                return false;
            }
            lease?.Check();
            files.Move(intent, $"{entry.Folder}/{Marker.FileName(entry.Step)}");
        }
        // Also where an earlier process put the smaller marker, and was killed before it was durable.
        files.SyncFolder(entry.Folder);
        foreach (DroppedFile file in smaller.Dropped)
            files.DeleteFile($"{entry.Folder}/{file.Name}");
        files.SyncFolder(entry.Folder);
        return true;
    }

    public void Discard(string place)
    {
        try
        {
            files.DeleteFolder(place);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The save's own error is the one to report; what is left here is cleared by the next save or the next start.
        }
    }

    // A process that lost the run while it slept must not write into what the next one stages.
    private string Own(Marker marker) =>
        $"{_placement.StagingOf(marker.Kind)}/{(lease is { } held ? $"{held.Token[..SessionLength]}-" : "")}{(marker.Kind == SaveKind.Snapshot ? "snapshot" : RunFolder.Checkpoint(marker.Step))}";

    // A name that nobody ever used, but for the folder of what the last snapshot replaced: all its writers have reported.
    private string Shared(SaveKind kind)
    {
        string? recycled = kind == SaveKind.Snapshot ? _recycled : null;
        if (recycled is not null)
            _recycled = null;
        return recycled ?? $"{_placement.StagingOf(kind)}/{_session}-{++_count}";
    }

    private CatalogEntry CommitCheckpoint(string staged, Marker marker, List<string> notes)
    {
        string target = RunFolder.Checkpoint(marker.Step);
        if (files.FolderExists(target))
        {
            var standing = new CatalogEntry(files, target, SaveKind.Checkpoint, marker.Step);
            string why = LineView.Of(marker).StandingOf(standing) == CopyStanding.OfOtherRun ? "it belongs to another run"
                : standing.Fault?.ToString() ?? (LineView.Of(marker).Holds(standing) ? "an earlier process saved it" : "it belongs to a branch that was left");
            notes.Add($"{target}/ stood in the way ({why}) and is now {_placement.MoveAside(target, target)}/");
        }
        _placement.FreeFromFile(target, target, notes);
        _placement.Place(staged, target);
        return new CatalogEntry(files, target, SaveKind.Checkpoint, marker.Step);
    }

    private CatalogEntry CommitSnapshot(string staged, LineView line, List<string> notes)
    {
        _placement.EnsureFolder(RunFolder.Snapshots);
        CopyPins pins = Pins;
        SnapshotSlot victim = SlotChoice.For(files, line, pins);
        string slot = victim.Folder;
        if (victim is { Entry: { } other, Standing: CopyStanding.OfOtherRun })
            notes.Add($"{slot}/ held the snapshot of step {other.Step} of another run, which is now {_placement.MoveAside(slot, $"snapshot-{RunFolder.Checkpoint(other.Step)}")}/");
        else if (SlotChoice.IsNeeded(victim, pins))
            Keep(victim.Entry!, pins, notes);
        _placement.FreeFromFile(slot, $"file-{slot.Replace('/', '-')}", notes);
        if (!files.FolderExists(slot))
            _placement.Place(staged, slot);
        else if (_placement.Replace(staged, slot) is { } replaced)
            Recycle(replaced, staged, notes);
        Tidy(Pins);
        return Catalog.Snapshot(files, slot);
    }

    private void Keep(CatalogEntry snapshot, CopyPins pins, List<string> notes) =>
        notes.Add(KeptCopies.Note(snapshot, pins, _placement.MoveAside(snapshot.Folder, KeptCopies.NameOf(snapshot), RunFolder.Kept)));

    // Who pinned the copy before it was replaced has been told that it stands.
    private void Recycle(string replaced, string staged, List<string> notes)
    {
        CatalogEntry copy = Catalog.Snapshot(files, replaced);
        CopyPins pins = Pins;
        if (pins.Hold(copy))
        {
            Keep(copy, pins, notes);
            return;
        }
        // What is kept for its files must not look like a copy while they are overwritten.
        CopyMarks.Remove(files, replaced);
        if (replaced != staged)
            files.DeleteFolder(replaced);
    }
}
