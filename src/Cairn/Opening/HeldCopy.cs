using System.IO.Hashing;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>
/// The files of one copy of a run that may be trained meanwhile. The marker stays open; after each file is opened, the
/// marker's name must still stand for that very file. A copy gets its name, and loses it, in one step and for ever, so the file then belongs to it; and a
/// file that is open is not overwritten (<see cref="IFileSystem.OpenWrite"/>). Opening may come from several threads.
/// </summary>
internal sealed class HeldCopy : IFileSource, IDisposable
{
    // So many files are opened at once, and can be read at leisure however often the copy is replaced. Of more, each is opened when it is needed.
    private const int MostHeld = 128;

    private readonly IFileSource _files;
    private readonly string _folder, _markerPath;
    private readonly IReadableFile _marker;
    private readonly Dictionary<string, IReadableFile> _held = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FileIdentity> _identities = new(StringComparer.Ordinal);

    private HeldCopy(IFileSource files, string folder, string markerPath, IReadableFile marker, byte[] bytes)
    {
        (_files, _folder, _markerPath, _marker, MarkerBytes) = (files, folder, markerPath, marker, bytes);
        MarkerDigest = XxHash128.HashToUInt128(bytes);
    }

    /// <summary>The files that are held, as they were before they were opened, by name; without those of a store that has no such thing.</summary>
    public IReadOnlyDictionary<string, FileIdentity> Identities => _identities;

    /// <summary>The marker's content.</summary>
    public byte[] MarkerBytes { get; }
    /// <summary>What the marker's content is known by.</summary>
    public UInt128 MarkerDigest { get; }

    /// <summary>The folder within the copy's own that holds its files (<see cref="Checkpoints.Marker.Attempt"/>). Whoever reads through this sees them where they belong.</summary>
    public string? Attempt { get; set; }

    /// <summary>Holds on to the copy that a marker vouches for.</summary>
    /// <param name="files">Where the copy stands.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="markerPath">Its marker.</param>
    /// <param name="largest">Most bytes that the marker may have.</param>
    /// <exception cref="CopyChangedException">There is no such marker any more.</exception>
    /// <exception cref="CorruptCheckpointException">The marker is too large, or ends early.</exception>
    /// <exception cref="IOException">The marker cannot be read.</exception>
    public static HeldCopy Open(IFileSource files, string folder, string markerPath, int largest) => TryOpen(files, folder, markerPath, largest) ?? throw Changed(files, folder);

    /// <summary>As <see cref="Open"/>; <see langword="null"/> when there is no such marker.</summary>
    public static HeldCopy? TryOpen(IFileSource files, string folder, string markerPath, int largest)
    {
        IReadableFile marker;
        try
        {
            marker = files.OpenRead(markerPath);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        try
        {
            return new HeldCopy(files, folder, markerPath, marker, SmallFile.Read(marker, files.Root, markerPath, largest));
        }
        catch (FileNotFoundException)
        {
            marker.Dispose();
            throw Changed(files, folder);
        }
        catch
        {
            marker.Dispose();
            throw;
        }
    }

    /// <summary>Opens files of the copy now, as many as may be open at once.</summary>
    /// <exception cref="CopyChangedException">The copy was replaced or removed.</exception>
    public void HoldFiles(IEnumerable<string> names)
    {
        string[] all = [.. names];
        if (all.Length > MostHeld)
            return;
        try
        {
            foreach (string name in all)
            {
                // Before it is opened: what is written to it afterwards makes it another one.
                if ((_files as IFileSystem)?.Identify(Place($"{_folder}/{name}")) is { } identity)
                    _identities.TryAdd(name, identity);
                _held.TryAdd($"{_folder}/{name}", _files.OpenRead(Place($"{_folder}/{name}")));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Missing, or no handle is left: whoever reads it meets that again and reports it.
        }
        Check();
    }

    /// <summary>That what stands at the copy's place is still this copy.</summary>
    /// <exception cref="CopyChangedException">It was replaced or removed.</exception>
    public void Check()
    {
        try
        {
            using IReadableFile now = _files.OpenRead(_markerPath);
            if (IsMarker(now))
                return;
        }
        catch (FileNotFoundException)
        {
            // Removed.
        }
        throw Changed(_files, _folder);
    }

    /// <summary>What is thrown when a copy is not what it was.</summary>
    public static CopyChangedException Changed(IFileSource files, string folder) => new(
        $"{files.Root}/{folder} changed while it was read: the training that writes this run has made a newer copy. Read the run again.") { Path = folder };

    public string Root => _files.Root;

    public IReadableFile OpenRead(string path)
    {
        if (_held.TryGetValue(path, out IReadableFile? held))
            return new FileOfCopy(this, held, isHeld: true);
        IReadableFile file;
        try
        {
            file = _files.OpenRead(Place(path));
        }
        catch (FileNotFoundException)
        {
            Check();
            throw;
        }
        try
        {
            Check();
            return file is ISpanFile ? file : new FileOfCopy(this, file, isHeld: false);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public IReadOnlyList<FileSystemEntry> List(string folder)
    {
        IReadOnlyList<FileSystemEntry> entries = _files.List(folder == _folder && Attempt is not null ? $"{_folder}/{Attempt}" : folder);
        Check();
        return entries;
    }

    public bool FileExists(string path)
    {
        bool exists = _held.ContainsKey(path) || _files.FileExists(Place(path));
        if (!exists)
            Check();
        return exists;
    }

    public bool FolderExists(string path) => _files.FolderExists(path);

    /// <summary>Closes the files that are held. What <see cref="OpenRead"/> gave of them cannot be read any more.</summary>
    public void Dispose()
    {
        foreach (IReadableFile file in _held.Values)
            file.Dispose();
        _marker.Dispose();
    }

    private string Place(string path) =>
        Attempt is null || !path.StartsWith(_folder + "/", StringComparison.Ordinal) ? path : $"{_folder}/{Attempt}{path[_folder.Length..]}";

    // Where the system cannot tell files apart, their bytes do: no two copies have the same marker.
    private bool IsMarker(IReadableFile now)
    {
        if (_marker is IIdentifiedFile { Status: { } own } && now is IIdentifiedFile { Status: { } found })
            return own.IsSameFile(found);
        byte[] bytes = new byte[MarkerBytes.Length];
        return now.Length == bytes.Length && now.Read(0, bytes) == bytes.Length && bytes.AsSpan().SequenceEqual(MarkerBytes);
    }

    private sealed class FileOfCopy(HeldCopy copy, IReadableFile file, bool isHeld) : ICachedFile, IMappableFile
    {
        public long Length => file.Length;

        public int BlockBytes => file is ICachedFile cached ? cached.BlockBytes : ChunkCheck.BlockBytes;

        public bool IsCached(long offset, int length) => file is ICachedFile cached && cached.IsCached(offset, length);

        public PrivateMapping? Map() => (file as IMappableFile)?.Map();

        public int Read(long offset, Span<byte> destination) => Read(offset, destination, once: false);

        public int ReadOnce(long offset, Span<byte> destination) => Read(offset, destination, once: true);

        private int Read(long offset, Span<byte> destination, bool once)
        {
            try
            {
                return once && file is ICachedFile cached ? cached.ReadOnce(offset, destination) : file.Read(offset, destination);
            }
            catch (FileNotFoundException)
            {
                // An object that is open can be removed all the same.
                copy.Check();
                throw;
            }
        }

        public void Dispose()
        {
            if (!isHeld)
                file.Dispose();
        }
    }
}
