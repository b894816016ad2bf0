using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>
/// Publishes by the marker, in a store that cannot rename.
/// <para>
/// All files of a copy are written below its own folder, in a folder of this attempt that nobody else can guess: <c>500/~3f9c…/</c>. The marker names the attempt and is put last,
/// into <c>500/</c>, and only where none is: so whatever has a marker has every byte, and a writer that is late, of this process or of one that lost the run, writes where nobody
/// reads. In a slot of the snapshots the new marker is put before the old one is removed, and the old attempt's files go last.
/// What is under way is said by <see cref="SaveIntents"/>, and <see cref="InterruptedSaves"/> ends or removes what a crash left of it.
/// </para>
/// </summary>
/// <param name="store">The run.</param>
/// <param name="lease">The right to write the run: checked before a copy is begun, and right before one gets or loses its name. Without one nothing is checked.</param>
internal sealed class MarkerPublisher(IRunStore store, ILease? lease = null) : ICopyPublisher
{
    private readonly StoreFiles _files = new(store);
    private readonly StorePlacement _placement = new(store);
    private readonly SaveIntents _intents = new(store);
    private readonly InterruptedSaves _interrupted = new(store);
    private readonly StoredMarker _marker = new(store);
    private readonly StoreClearing _clearing = new(store, lease);
    private byte[] _seal = [];

    public IFileSource Files => _files;

    private CopyPins Pins => CopyPins.Read(_files);

    public void Recover()
    {
        CopyPins pins = Pins;
        _interrupted.EndAll(pins);
        Tidy(pins);
    }

    private void Tidy(CopyPins pins) => KeptCopies.Tidy(_files, pins, folder => _placement.DeleteAll(folder), _placement.Delete);

    public string Prepare(Marker marker, long bytes, bool isShared, List<string> notes)
    {
        lease?.Check();
        string folder = FolderFor(marker);
        string attempt = Marker.AttemptStart + Guid.NewGuid().ToString("N");
        _clearing.Begins(attempt);
        _intents.BeginSave(attempt, folder);
        return $"{folder}/{attempt}";
    }

    public IWritableFile Create(string place, string name, long length) => new StoreFileWriter(store, $"{place}/{name}", length);

    // No other object was ever written at a path of an attempt; beside a marker, where copies from a disk stand, anything may have been.
    public LinkOutcome Share(FormerFile file, string path, string place)
    {
        if (AttemptOf(StorePath.Parent(path))[0] != Marker.AttemptStart)
            return LinkOutcome.NotThisOne;
        try
        {
            return StoreCall.Wait(() => store.TryCopyAsync(path, $"{place}/{file.File.Name}")) ? LinkOutcome.Linked : LinkOutcome.Unsupported;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Gone, or refused: writing it tells whether the store takes anything.
            return LinkOutcome.NotThisOne;
        }
    }

    public string FolderOf(string place, CatalogEntry copy) => place;

    public void Settle(string place)
    {
        // An object that is complete has its name.
    }

    public void Seal(string place, Marker marker)
    {
        _seal = (marker with { Attempt = AttemptOf(place), Fence = lease?.Fence, Token = lease?.Token }).ToBytes();
        string copy = $"the copy of step {marker.Step}";
        var found = _files.List(place).Where(file => !file.IsFolder).ToDictionary(file => file.Name, file => file.Length, StringComparer.Ordinal);
        foreach (MarkedFile file in marker.Files)
        {
            if (!found.TryGetValue(file.Name, out long length) || length != file.Length)
                throw CopyWriter.NotReadable(copy, $"{file.Name} of {file.Length} bytes is {(found.ContainsKey(file.Name) ? $"there with {length}" : "not there")}");
        }
        try
        {
            _ = Marker.Parse(_seal, Marker.FileName(marker.Step));
        }
        catch (CorruptCheckpointException e)
        {
            throw CopyWriter.NotReadable(copy, e.Message, e);
        }
        // The last thing before the copy gets its name.
        lease?.Check();
    }

    public CatalogEntry Publish(string place, Marker marker, List<string> notes)
    {
        string folder = StorePath.Parent(place), path = $"{folder}/{Marker.FileName(marker.Step)}";
        _clearing.MakeWay(place, path, marker, notes);
        _marker.Put(path, _seal);
        CheckStillAlone(place, path);
        if (marker.Kind == SaveKind.Snapshot)
            _clearing.KeepReplaced(place, path, notes);
        // Until what it replaces is gone, the copy is not promised: with two such saves in one slot the next start could end the older one.
        _interrupted.End(folder, AttemptOf(place));
        _intents.End(AttemptOf(place));
        if (marker.Kind == SaveKind.Snapshot)
            Tidy(Pins);
        return new CatalogEntry(_files, folder, marker.Kind, marker.Step);
    }

    public CatalogEntry TakeAsItIs(Marker marker, IUnmarkedCopy copy, List<string> notes)
    {
        lease?.Check();
        bool isSnapshot = marker.Kind == SaveKind.Snapshot;
        string folder = FolderFor(marker);
        _clearing.MakeWayFor(copy, folder, isSnapshot, notes);
        try
        {
            FileSystemEntry[] marks = [.. copy.Files.Where(CopyMarks.IsMark)], others = [.. copy.Files.Except(marks)];
            Write(copy, folder, others);
            // The last thing before it is a copy.
            lease?.Check();
            Write(copy, folder, marks);
            return isSnapshot ? Catalog.Snapshot(_files, folder) : CatalogEntry.At(_files, folder, SaveKind.Checkpoint, marker.Step);
        }
        catch (Exception e) when (e is not RunLockLostException)
        {
            TryDeleteAll(folder);
            throw;
        }
    }

    public void Discard(string place)
    {
        try
        {
            _placement.DeleteAll(place);
            _intents.End(AttemptOf(place));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The save's own error is the one to report; what is left here is cleared by the next start.
        }
    }

    public bool Retire(long step)
    {
        lease?.Check();
        string folder = RunFolder.Checkpoint(step), intent = Marker.AttemptStart + Guid.NewGuid().ToString("N");
        _intents.BeginRetirement(intent, folder);
        bool isNeeded = Pins.Hold(CatalogEntry.At(_files, folder, SaveKind.Checkpoint, step));
        if (!isNeeded)
            _placement.DeleteAll(folder);
        _intents.End(intent);
        return !isNeeded;
    }

    public void RemoveAbandoned(string name)
    {
        lease?.Check();
        _placement.DeleteAll($"{RunFolder.Abandoned}/{name}");
    }

    public bool Shrink(CatalogEntry entry, Marker smaller)
    {
        lease?.Check();
        if (!entry.Marker!.IsWeightsOnly)
        {
            // Before pins are looked for: who pins looks for it afterwards.
            string intent = $"{entry.Folder}/{WeightsOnly.IntentOf(entry.Step)}";
            byte[] marker = smaller.ToBytes();
            StoreCall.Wait(() => store.PutAsync(intent, marker));
            bool isNeeded = Pins.Hold(entry);
            if (!isNeeded)
            {
                lease?.Check();
                StoreCall.Wait(() => store.PutAsync($"{entry.Folder}/{Marker.FileName(entry.Step)}", marker));
            }
            _placement.Delete(intent);
            if (isNeeded)
                return false;
        }
        string place = smaller.FilesFolder(entry.Folder);
        foreach (DroppedFile file in smaller.Dropped)
            _placement.Delete($"{place}/{file.Name}");
        return true;
    }

    private void Write(IUnmarkedCopy copy, string folder, FileSystemEntry[] some)
    {
        foreach (FileSystemEntry file in some)
        {
            using IWritableFile to = Create(folder, file.Name, file.Length);
            copy.Write(file, to);
        }
        copy.Check(_files, folder, some);
    }

    private void TryDeleteAll(string folder)
    {
        try
        {
            _placement.DeleteAll(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The error that led here is the one to report; without its mark it is no copy.
        }
    }

    // A copy that the store does not give now is not damaged: it may be the line's newest, which is the last to go.
    private string FolderFor(Marker marker)
    {
        if (marker.Kind == SaveKind.Checkpoint)
            return RunFolder.Checkpoint(marker.Step);
        var line = LineView.Of(marker);
        IReadOnlyList<SnapshotSlot> slots = SlotChoice.InOrder(_files, line);
        return slots.Select(static slot => slot.Entry?.Fault).FirstOrDefault(static fault => fault is { IsUnanswered: true }) is { } unanswered
            ? throw new IOException($"Which snapshot is the older one cannot be told now: {unanswered}")
            : SlotChoice.For(_files, line, Pins).Folder;
    }

    // An answer may have taken longer than the lease. What another process has saved in the folder since is not this one's to remove, and a marker without files must not stand above it.
    private void CheckStillAlone(string place, string path)
    {
        try
        {
            lease?.Check();
        }
        catch (RunLockLostException)
        {
            if (!_files.FolderExists(place))
                _placement.Delete(path);
            throw;
        }
    }

    /// <summary>The attempt of a place.</summary>
    public static string AttemptOf(string place) => place[(place.LastIndexOf('/') + 1)..];
}
