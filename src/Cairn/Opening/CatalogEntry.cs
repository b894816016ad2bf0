using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Layouts.InternLm;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>A checkpoint or snapshot as it stands in the run's folder. Not for use by several threads at once.</summary>
internal sealed class CatalogEntry
{
    /// <summary>The step of a slot without a marker.</summary>
    public const long NoStep = -1;

    // The first local header of a zip archive (APPNOTE.TXT, 4.3.7).
    private static ReadOnlySpan<byte> ZipStart => "PK\u0003\u0004"u8;

    private readonly IFileSource _files;
    private bool _inspected;
    private string? _markerPath;
    private UInt128 _markerDigest;
    private Marker? _marker, _written;
    private IReadOnlyList<CheckpointFault> _faults = [];

    internal CatalogEntry(IFileSource files, string folder, SaveKind kind, long step)
    {
        _files = files;
        Folder = folder;
        Kind = kind;
        Step = step;
    }

    /// <summary>The copy in one folder, whatever else stands beside it.</summary>
    public static CatalogEntry At(IFileSource files, string folder, SaveKind kind, long step) => new(files, folder, kind, step);

    /// <summary>Where it stands: the run, or the fast folder.</summary>
    public IFileSource Files => _files;
    /// <summary>The folder, relative to <see cref="Files"/>.</summary>
    public string Folder { get; }
    /// <summary>The tier.</summary>
    public SaveKind Kind { get; }
    /// <summary>The step by name; <see cref="NoStep"/> for a slot without a marker.</summary>
    public long Step { get; }
    /// <summary>The slot of a snapshot.</summary>
    public int? Slot { get; init; }

    /// <summary>The marker, when the entry is complete: marker in order, every file there and of its size.</summary>
    public Marker? Marker
    {
        get
        {
            Inspect();
            return _marker;
        }
    }

    /// <summary>Whether somebody has looked, and found it complete.</summary>
    internal bool IsKnownComplete => _marker is not null;

    /// <summary>Why the entry is not complete; <see langword="null"/> when it is. Hashes are not looked at.</summary>
    public CheckpointFault? Fault => Faults is [var first, ..] ? first : null;

    /// <summary>All that <see cref="Fault"/> could say: every file that is missing or of another size, in the marker's order.</summary>
    internal IReadOnlyList<CheckpointFault> Faults
    {
        get
        {
            Inspect();
            return _faults;
        }
    }

    /// <summary>Files that stand there although the marker says that they were dropped: removing them was cut off.</summary>
    internal IReadOnlyList<string> LeftOver { get; private set; } = [];

    /// <summary>The marker of Cairn, also when not all is there that it lists; <see langword="null"/> when there is none in order.</summary>
    internal Marker? Written
    {
        get
        {
            Inspect();
            return _written;
        }
    }

    /// <summary>
    /// Opens the copy's files so that all that is read belongs to this copy, whatever is saved in the meantime. <see langword="null"/> when there is no marker
    /// to hold on to.
    /// </summary>
    /// <param name="files">The run, or one that passes everything on to it.</param>
    /// <exception cref="CopyChangedException">The copy was replaced or removed since its marker was read.</exception>
    /// <exception cref="IOException">The marker cannot be read.</exception>
    internal HeldCopy? Hold(IFileSource files)
    {
        Inspect();
        if (_markerPath is null || _written is null && _marker is null)
            return null;
        HeldCopy held = HeldCopy.Open(files, Folder, _markerPath, Checkpoints.Marker.MaxLength);
        if (held.MarkerDigest != _markerDigest)
        {
            held.Dispose();
            throw HeldCopy.Changed(files, Folder);
        }
        held.Attempt = (_written ?? _marker!).Attempt;
        held.HoldFiles((_written ?? _marker!).Files.Select(file => file.Name));
        return held;
    }

    /// <summary>What is thrown when the copy was replaced or removed while it was read.</summary>
    internal CopyChangedException Changed() => HeldCopy.Changed(_files, Folder);

    /// <summary>What the bytes of the marker are known by; 0 when there is none.</summary>
    internal UInt128 MarkerDigest
    {
        get
        {
            Inspect();
            return _markerDigest;
        }
    }

    private void Inspect()
    {
        if (_inspected)
            return;
        _inspected = true;
        string step = Checkpoints.Marker.FileName(Step), path = $"{Folder}/{step}";
        HeldCopy? held = null;
        try
        {
            held = Step == NoStep ? null : HeldCopy.TryOpen(_files, Folder, path, Checkpoints.Marker.MaxLength);
            if (held is null)
            {
                _faults = [WasMarked ? CheckpointFault.Changed(Folder) : new CheckpointFault(Folder, Folder, "there is no marker: the save did not end")];
                return;
            }
            // In the layout of InternLM this is a file of PyTorch, one among the others.
            bool isTorch = held.MarkerBytes.AsSpan().StartsWith(ZipStart);
            string manifest = $"{Folder}/{RunFolder.Manifest}";
            bool isOverwritten = false;
            if (isTorch && held.FileExists(manifest))
            {
                using HeldCopy first = held;
                held = HeldCopy.Open(_files, Folder, path = manifest, Checkpoints.Marker.MaxLength);
                first.Check();
                isOverwritten = !Describes(held.MarkerBytes, manifest, step, first.MarkerBytes) && InternLmCopy.IsMarked(first, Folder, Step);
                if (isOverwritten)
                {
                    held.Dispose();
                    held = HeldCopy.Open(_files, Folder, path = $"{Folder}/{step}", Checkpoints.Marker.MaxLength);
                }
            }
            (_markerPath, _markerDigest) = (path, held.MarkerDigest);
            if (isTorch && path != manifest)
            {
                if (!isOverwritten && held.FileExists($"{Folder}/{InternLmPlan.IndexName}"))
                    _faults = [new CheckpointFault(Folder, Folder, $"there is no {RunFolder.Manifest}, and Cairn saved it: the marker was removed")];
                else
                    InspectInternLm(held);
                return;
            }
            Marker marker = Checkpoints.Marker.Parse(held.MarkerBytes, path);
            if (Contradiction(marker, path) is { } contradiction)
            {
                _faults = [contradiction];
                return;
            }
            _written = marker;
            held.Attempt = marker.Attempt;
            _faults = [.. WrongFiles(held, marker)];
            _marker = _faults.Count == 0 ? marker : null;
        }
        catch (CopyChangedException)
        {
            (_marker, _written, _faults) = (null, null, [CheckpointFault.Changed(Folder)]);
        }
        catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException)
        {
            _faults = [CheckpointFault.Unread(Folder, path, e)];
        }
        finally
        {
            held?.Dispose();
        }
    }

    // InternEvo overwrites the files of a folder one by one, its own marker too, and leaves Cairn's as it was. It then vouches for nothing that is there.
    private static bool Describes(byte[] manifest, string path, string step, byte[] found) =>
        Checkpoints.Marker.Parse(manifest, path).Files.FirstOrDefault(file => file.Name == step) is { } marked
        && marked.Length == found.Length && marked.Hashes.Equals(ChunkHashes.Of(found));

    // A snapshot's step is its marker's, seen when the run was listed. A checkpoint loses its name before its files.
    private bool WasMarked => Kind == SaveKind.Snapshot ? Step != NoStep : !_files.FolderExists(Folder);

    // What its files say together is no fault of one of them.
    private void InspectInternLm(HeldCopy held)
    {
        try
        {
            _marker = InternLmCopy.Describe(held, Folder, Kind, Step);
        }
        catch (Exception e) when (e is CheckpointException and not CopyChangedException or IOException or UnauthorizedAccessException)
        {
            string path = (e as CheckpointException)?.Path is { } own && own.StartsWith(Folder + "/", StringComparison.Ordinal) ? own : Folder;
            _faults = [CheckpointFault.Unread(Folder, path, e)];
        }
    }

    private CheckpointFault? Contradiction(Marker marker, string path) =>
        marker.Step != Step ? new CheckpointFault(Folder, path, $"the marker is of step {marker.Step}")
        : marker.Kind != Kind ? new CheckpointFault(Folder, path, $"the marker is of a {marker.Kind.ToString().ToLowerInvariant()}, not of a {Kind.ToString().ToLowerInvariant()}")
        : !CheckpointLayouts.Contains(marker.Layout) ? new CheckpointFault(Folder, path, $"its layout is '{marker.Layout}', and this version of Cairn knows {string.Join(", ", CheckpointLayouts.Names)}: use a newer one, or make the layout known (CheckpointLayouts.Register)")
        // Where the files stand apart from it, the marker has the one name.
        : marker.Attempt is null && $"{Folder}/{CheckpointLayouts.Of(marker.Layout).MarkerName(Step)}" != path ? new CheckpointFault(Folder, path, $"the marker of the layout '{marker.Layout}' has another name")
        : null;

    private IEnumerable<CheckpointFault> WrongFiles(HeldCopy held, Marker marker)
    {
        Dictionary<string, long> found = new(StringComparer.Ordinal);
        foreach (FileSystemEntry file in held.List(Folder))
            found[file.Name] = file.IsFolder ? -1 : file.Length;
        LeftOver = [.. marker.Dropped.Select(file => file.Name).Where(found.ContainsKey)];
        foreach (MarkedFile file in marker.Files)
        {
            if (!found.TryGetValue(file.Name, out long length) || length < 0)
                yield return new CheckpointFault(Folder, $"{Folder}/{file.Name}", "the file is missing");
            else if (length != file.Length)
                yield return new CheckpointFault(Folder, $"{Folder}/{file.Name}", $"the file has {length} bytes instead of {file.Length}");
        }
    }
}
