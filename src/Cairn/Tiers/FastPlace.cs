using System.IO.Hashing;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Saving;
using Cairn.Stores;

namespace Cairn.Tiers;

/// <summary>
/// The fast folder of one host, for one run. It has two slots, each with the files that this host's ranks wrote of a copy and the marker of the whole copy; a third set of files is being written in
/// <c>.staging/</c>, and takes the place of a slot in one exchange. All ranks of the host write files; the first of them does the rest.
/// </summary>
internal sealed class FastPlace : ICopyTarget
{
    /// <summary>How many copies there are.</summary>
    public const int Slots = 2;

    // The marker, folder entries, and what the file system takes for itself.
    private const long Reserve = 16 << 20;

    private readonly IFileSystem _files;
    private readonly ILease? _lease;
    // What a save does here; the drain, which reads at the same time, is not a sign of life of it.
    private IFileSystem _writes;
    private CopyPlacement _placement;
    // Holds the files of the copy that the last one replaced.
    private string? _recycled;

    /// <param name="files">The folder <c>FastFolder/run id</c>.</param>
    /// <param name="lease">The right to write it; on the first rank of the host.</param>
    public FastPlace(IFileSystem files, ILease? lease = null)
    {
        (_files, _lease, _writes) = (files, lease, files);
        _placement = new CopyPlacement(files);
    }

    public IFileSource Files => _files;

    /// <summary>Lets it be seen what saves do here.</summary>
    public void Watch(SignsOfLife signs)
    {
        _writes = new TimedFileSystem(_files, signs);
        _placement = new CopyPlacement(_writes);
    }

    /// <summary>Whether another process has taken the folder.</summary>
    public bool IsLost => _lease is { IsLost: true };

    /// <summary>The folder of a slot.</summary>
    public static string FolderOf(int slot) => $"copy-{slot}";

    /// <summary>What stands in the slots; <see langword="null"/> for one that is empty, or whose marker is damaged.</summary>
    public FastCopy?[] Copies() => [.. Enumerable.Range(0, Slots).Select(slot => Read(FolderOf(slot)))];

    /// <summary>Finds a copy.</summary>
    public FastCopy? Find(UInt128 digest) => Copies().FirstOrDefault(copy => copy?.Digest == digest);

    /// <summary>Ends what a crash left between two renames, and removes what was being written.</summary>
    public void Recover()
    {
        _placement.SyncFolders();
        for (int slot = 0; slot < Slots; slot++)
        {
            if (_files.FolderExists(FolderOf(slot)))
                continue;
            string? staged = _files.List(RunFolder.Staging).Where(entry => entry.IsFolder).Select(entry => $"{RunFolder.Staging}/{entry.Name}")
                .OrderBy(CopyPlacement.IsMovedAside).FirstOrDefault(folder => Read(folder) is not null);
            if (staged is null)
                continue;
            StagedFiles.Sync(_files, staged);
            _placement.Place(staged, FolderOf(slot));
        }
        if (!_files.FolderExists(RunFolder.Staging))
            return;
        _files.DeleteFolder(RunFolder.Staging);
        _files.SyncFolder("");
    }

    /// <summary>Makes room for files, and the folder in which they are written.</summary>
    /// <param name="staged">The folder, of a name that was never used.</param>
    /// <param name="bytes">Bytes of all files that are written here.</param>
    /// <exception cref="StoreException">There is not enough space.</exception>
    public void Prepare(string staged, long bytes)
    {
        _lease?.Check();
        _placement.EnsureFolder(RunFolder.Staging);
        if (_recycled is { } recycled && _writes.FolderExists(recycled))
        {
            _writes.Move(recycled, staged);
            StagedFiles.Recycle(_writes, staged);
        }
        _recycled = null;
        // What a save that failed has left.
        foreach (FileSystemEntry entry in _writes.List(RunFolder.Staging).Where(entry => $"{RunFolder.Staging}/{entry.Name}" != staged))
            _writes.DeleteFolder($"{RunFolder.Staging}/{entry.Name}");
        if (_writes.AvailableBytes(RunFolder.Staging) is { } available && available + _writes.ReclaimableBytes(staged) < bytes + Reserve)
        {
            _writes.DeleteFolder(staged);
            throw new StoreException($"There is no room in the fast folder {_files.Root}: the copy takes {bytes} bytes, and {available} are free. It needs room for three copies.")
            {
                Path = _files.Root,
                Expected = $"{bytes} bytes free",
                Found = $"{available} bytes free",
                IsTransient = true,
            };
        }
        _writes.CreateFolder(staged);
    }

    public IWritableFile Create(string place, string name, long length) => _writes.OpenWrite($"{place}/{name}", length);

    public FileIdentity? IdentityOf(string path) => _writes.Identify(path);

    public LinkOutcome Share(FormerFile file, string path, string place) => SharedFile.Link(_writes, file, path, place);

    public void Settle(string place) => _writes.SyncFolder(place);

    /// <summary>Puts the marker beside the files of this host, all of which must be there.</summary>
    /// <param name="staged">Where they were written.</param>
    /// <param name="marker">The marker of the whole copy.</param>
    /// <param name="bytes">The marker's bytes.</param>
    /// <param name="own">The files that were written here.</param>
    public void Seal(string staged, Marker marker, ReadOnlySpan<byte> bytes, IReadOnlyCollection<MarkedFile> own)
    {
        StagedFiles.KeepOnly(_writes, staged, own.Select(file => file.Name));
        StagedFiles.Write(_writes, $"{staged}/{CheckpointLayouts.Of(marker.Layout).MarkerName(marker.Step)}", bytes);
        _writes.SyncFolder(staged);
        if (Read(staged) is not { } copy || !copy.Names.SetEquals(own.Select(file => file.Name)))
            throw CopyWriter.NotReadable($"{_files.Root}/{staged}", "not every file is there with the length that was written");
    }

    /// <summary>Puts a sealed copy in the place of a slot.</summary>
    public void Publish(string staged, int slot)
    {
        _lease?.Check();
        string folder = FolderOf(slot);
        if (!_writes.FolderExists(folder))
        {
            _placement.Place(staged, folder);
            return;
        }
        _placement.Replace(staged, folder);
        // What is kept for its files must not look like a copy while they are overwritten.
        CopyMarks.Remove(_writes, staged);
        _recycled = staged;
    }

    /// <summary>Removes what was being written.</summary>
    public void Discard(string staged)
    {
        try
        {
            _writes.DeleteFolder(staged);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next save removes it.
        }
    }

    /// <summary>Removes all that stands here.</summary>
    public void Clear()
    {
        _lease?.Check();
        for (int slot = 0; slot < Slots; slot++)
        {
            CopyMarks.Remove(_writes, FolderOf(slot));
            _writes.DeleteFolder(FolderOf(slot));
        }
        _writes.DeleteFolder(RunFolder.Staging);
        _recycled = null;
    }

    private FastCopy? Read(string folder)
    {
        try
        {
            Dictionary<string, long> found = _files.List(folder).Where(entry => !entry.IsFolder).ToDictionary(entry => entry.Name, entry => entry.Length, StringComparer.Ordinal);
            string? name = found.ContainsKey(RunFolder.Manifest) ? RunFolder.Manifest : found.Keys.SingleOrDefault(name => name.EndsWith(".step", StringComparison.Ordinal));
            if (name is null)
                return null;
            byte[] bytes = SmallFile.Read(_files, $"{folder}/{name}", Marker.MaxLength);
            var marker = Marker.Parse(bytes, $"{folder}/{name}");
            return new FastCopy(folder, marker, XxHash128.HashToUInt128(bytes),
                marker.Files.Where(file => found.TryGetValue(file.Name, out long length) && length == file.Length).Select(file => file.Name).ToHashSet(StringComparer.Ordinal));
        }
        catch (Exception e) when (e is CheckpointException or InvalidOperationException or FileNotFoundException or DirectoryNotFoundException)
        {
            // Damaged: nothing that could be gone on from.
            return null;
        }
    }
}
