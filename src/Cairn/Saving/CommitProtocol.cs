using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>A snapshot was not committed because its weights hold NaN or infinity.</summary>
public sealed class NonFiniteStateException(string tensor) : CheckpointException(
    $"The snapshot was not kept: the weights hold NaN or infinity, first in '{tensor}'. The snapshots before it stand; set RefuseNonFiniteSnapshots to false to save such state all the same.")
{
    /// <summary>The first tensor found.</summary>
    public string Tensor { get; } = tensor;
}

/// <summary>
/// The order of operations that makes a copy complete or absent. One thread at a time, under the run's lock.
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
public sealed class CommitProtocol(IFileSystem files)
{
    private const int SessionLength = 12;

    private readonly CopyPlacement _placement = new(files);

    /// <summary>The right to write the run: checked before a copy is begun and right before it gets its name. Without one nothing is checked.</summary>
    internal ILease? Lease { get; init; }

    /// <summary>What a commit did.</summary>
    /// <param name="Entry">The new copy.</param>
    /// <param name="Bytes">Bytes of all its files but the marker.</param>
    /// <param name="NonFiniteTensor">A tensor of the model that holds NaN or infinity.</param>
    /// <param name="Notes">What stood in the way and was moved or given up, in words.</param>
    public sealed record Result(CatalogEntry Entry, long Bytes, string? NonFiniteTensor, IReadOnlyList<string> Notes)
    {
        /// <summary>Whether some ranks have not heard of it.</summary>
        internal bool IsDisturbed { get; init; }
    }

    /// <summary>Ends what a crash interrupted, then clears the staging folder. Call once, at the start, with the lock held.</summary>
    public void Recover()
    {
        for (int slot = 0; slot < RunFolder.Slots; slot++)
        {
            if (files.FolderExists(RunFolder.Slot(slot)) || WholeStagedSnapshot() is not { } staged)
                continue;
            _placement.EnsureFolder(RunFolder.Snapshots);
            _placement.FreeFromFile(RunFolder.Slot(slot), $"file-snapshot-{slot}", []);
            _placement.Place(staged, RunFolder.Slot(slot));
        }
        foreach (string staging in CopyPlacement.StagingFolders)
        {
            if (!files.FolderExists(staging))
                continue;
            files.DeleteFolder(staging);
            files.SyncFolder(StorePath.Parent(staging));
        }
    }

    // The new copy if it is whole, else the one that was moved aside for it.
    private string? WholeStagedSnapshot()
    {
        // Without the marker of Cairn it is what was left of a copy that is being overwritten.
        IEnumerable<CatalogEntry> whole = CopyPlacement.StagingFolders
            .SelectMany(staging => files.List(staging).Where(entry => entry.IsFolder).Select(entry => Catalog.Snapshot(files, $"{staging}/{entry.Name}")))
            .Where(copy => copy is { Marker.IsForeign: false })
            .OrderBy(copy => CopyPlacement.IsMovedAside(copy.Folder)).ThenByDescending(copy => copy.Step);
        return whole.FirstOrDefault(copy => Verifier.Verify(files, copy) is null)?.Folder;
    }

    /// <summary>Writes a copy and commits it.</summary>
    /// <param name="marker">The marker without its files.</param>
    /// <param name="plan">The files.</param>
    /// <param name="refuseNonFinite">Whether a snapshot with NaN or infinity in the model is given up.</param>
    /// <param name="cancellationToken">Gives the save up before its commit.</param>
    /// <exception cref="IOException">The file system refused; nothing that was committed before has changed.</exception>
    /// <exception cref="StoreException">There is not enough space.</exception>
    /// <exception cref="NonFiniteStateException">A snapshot was refused.</exception>
    /// <exception cref="CheckpointException">What is to be written could not be opened again.</exception>
    public Result Save(Marker marker, IReadOnlyList<PlannedFile> plan, bool refuseNonFinite, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(marker);
        ArgumentNullException.ThrowIfNull(plan);
        // What no reader would take is refused before a byte is written.
        _ = marker.ToBytes();
        var notes = new List<string>();
        bool isSnapshot = marker.Kind == SaveKind.Snapshot;
        string staged = Staged(marker.Kind, isSnapshot ? "snapshot" : RunFolder.Checkpoint(marker.Step));
        if (!isSnapshot)
            files.DeleteFolder(staged);
        long bytes = plan.Sum(file => file.Length);
        MakeReady(staged, bytes, marker, notes);
        KeepOnly(staged, plan.Select(file => file.Name));
        CopyWriter.Written written;
        try
        {
            written = CopyWriter.Write(files, staged, plan, CheckpointLayouts.Of(marker.Layout), cancellationToken);
            if (isSnapshot && refuseNonFinite && written.NonFiniteTensor is { } tensor)
                throw new NonFiniteStateException(tensor);
            Seal(staged, marker with { Files = written.Files });
        }
        catch
        {
            Discard(staged);
            throw;
        }
        return new Result(Publish(staged, marker, notes), bytes, written.NonFiniteTensor, notes);
    }

    /// <summary>Makes room for a copy, and its staging folder.</summary>
    /// <exception cref="StoreException">There is not enough space.</exception>
    /// <exception cref="RunLockLostException">The run is another process's by now.</exception>
    internal void MakeReady(string staged, long bytes, Marker marker, List<string> notes)
    {
        Lease?.Check();
        Recycle(staged);
        // What the slots give up is on their file system.
        bool slotsHelp = marker.Kind == SaveKind.Snapshot || !_placement.SnapshotsApart;
        new SpaceMaker(files, LineView.Of(marker)).Ensure(bytes, staged, slotsHelp, notes);
        _placement.EnsureFolder(StorePath.Parent(staged));
        files.CreateFolder(staged);
    }

    /// <summary>The folder in which copies of a tier are staged here.</summary>
    internal string StagingOf(SaveKind kind) => _placement.StagingOf(kind);

    // The files of the replaced snapshot leave the folder in which they had their names: a backup that still walks through it finds no file rather than
    // one that is being overwritten. What cannot be overwritten in place is of no use here.
    private void Recycle(string staged)
    {
        IReadOnlyList<FileSystemEntry> left = files.List(staged);
        if (left.Count == 0)
            return;
        string recycled = staged + ".recycled";
        files.DeleteFolder(recycled);
        files.CreateFolder(recycled);
        foreach (FileSystemEntry entry in left)
        {
            if (!entry.IsFolder && files.CanOverwrite($"{staged}/{entry.Name}"))
                files.Move($"{staged}/{entry.Name}", $"{recycled}/{entry.Name}");
        }
        // A move is safe when both folders are synced, and this one is about to go; the other is synced with the new copy.
        files.SyncFolder(staged);
        files.DeleteFolder(staged);
        files.Move(recycled, staged);
    }

    /// <summary>Removes from a staging folder what an earlier copy left there and this one does not overwrite.</summary>
    internal void KeepOnly(string staged, IEnumerable<string> names)
    {
        HashSet<string> kept = new(names, StringComparer.Ordinal);
        foreach (FileSystemEntry file in files.List(staged))
        {
            if (file.IsFolder)
                files.DeleteFolder($"{staged}/{file.Name}");
            else if (!kept.Contains(file.Name))
                files.DeleteFile($"{staged}/{file.Name}");
        }
    }

    /// <summary>
    /// Writes the marker of a copy whose files are durable, reads it back the way a resume does, and makes the staging folder's entries durable.
    /// </summary>
    /// <exception cref="CheckpointException">What was written is not a copy that could be opened again.</exception>
    internal void Seal(string staged, Marker marker)
    {
        byte[] seal = (marker with { Fence = Lease?.Fence, Token = Lease?.Token }).ToBytes();
        using (IWritableFile file = files.OpenWrite($"{staged}/{CheckpointLayouts.Of(marker.Layout).MarkerName(marker.Step)}", seal.Length))
        {
            file.Write(seal);
            file.Sync();
        }
        if (CatalogEntry.At(files, staged, marker.Kind, marker.Step).Fault is { } fault)
            throw CopyWriter.NotReadable($"the copy of step {marker.Step}", fault.ToString());
        files.SyncFolder(staged);
        // The last thing before the copy gets its name.
        Lease?.Check();
    }

    // A process that lost the run while it slept must not write into what the next one stages.
    private string Staged(SaveKind kind, string name) => $"{StagingOf(kind)}/{(Lease is { } lease ? $"{lease.Token[..SessionLength]}-" : "")}{name}";

    /// <summary>Gives a sealed copy its name. What it replaced of the snapshots lies in its staging folder afterwards, without a marker.</summary>
    internal CatalogEntry Publish(string staged, Marker marker, List<string> notes) =>
        marker.Kind == SaveKind.Snapshot ? CommitSnapshot(staged, LineView.Of(marker), notes) : CommitCheckpoint(staged, marker, notes);

    /// <summary>Removes a checkpoint: it loses its name at once, and its bytes after that.</summary>
    public void Retire(long step) => _placement.Retire(RunFolder.Checkpoint(step));

    private CatalogEntry CommitCheckpoint(string staged, Marker marker, List<string> notes)
    {
        string target = RunFolder.Checkpoint(marker.Step);
        if (files.FolderExists(target))
        {
            var standing = new CatalogEntry(files, target, SaveKind.Checkpoint, marker.Step);
            string why = LineView.Of(marker).StandingOf(standing) == CopyStanding.OfOtherRun ? "it belongs to another run" : standing.Fault?.ToString() ?? "it belongs to a line that was left";
            notes.Add($"{target}/ stood in the way ({why}) and is now {_placement.MoveAside(target, target)}/");
        }
        _placement.FreeFromFile(target, target, notes);
        _placement.Place(staged, target);
        return new CatalogEntry(files, target, SaveKind.Checkpoint, marker.Step);
    }

    private CatalogEntry CommitSnapshot(string staged, LineView line, List<string> notes)
    {
        _placement.EnsureFolder(RunFolder.Snapshots);
        SnapshotSlot victim = SlotChoice.InOrder(files, line)[0];
        string slot = victim.Folder;
        if (victim is { Entry: { } other, Standing: CopyStanding.OfOtherRun })
            notes.Add($"{slot}/ held the snapshot of step {other.Step} of another run, which is now {_placement.MoveAside(slot, $"snapshot-{RunFolder.Checkpoint(other.Step)}")}/");
        _placement.FreeFromFile(slot, $"file-{slot.Replace('/', '-')}", notes);
        if (!files.FolderExists(slot))
            _placement.Place(staged, slot);
        else
            _placement.Replace(staged, slot);
        // What is kept for its files must not look like a copy while they are overwritten.
        CopyMarks.Remove(files, staged);
        return Catalog.Snapshot(files, slot);
    }

    /// <summary>Removes a staging folder as far as that can be done.</summary>
    internal void Discard(string staged)
    {
        try
        {
            files.DeleteFolder(staged);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The save's own error is the one to report; what is left here is cleared by the next save or the next start.
        }
    }
}
