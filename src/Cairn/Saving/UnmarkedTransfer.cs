using System.IO.Hashing;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Saving.Stages;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>
/// Brings a copy that another program wrote to another run, file by file. No marker of Cairn vouches for its bytes, so each is hashed as it is read, and what arrived is compared with that.
/// </summary>
internal sealed class UnmarkedTransfer : IUnmarkedCopy
{
    private readonly IFileSource _from;
    private readonly string _folder;
    private readonly bool _readBack;
    private readonly Func<IFileSource, IFileSource> _watched;
    private readonly CancellationToken _cancellationToken;
    private readonly Dictionary<string, UInt128> _hashes = new(StringComparer.Ordinal);

    private UnmarkedTransfer(IFileSource from, string folder, bool readBack, Func<IFileSource, IFileSource> watched, CancellationToken cancellationToken)
    {
        (_from, _folder, _readBack, _watched, _cancellationToken) = (from, folder, readBack, watched, cancellationToken);
        Files = FilesOf(from, folder);
    }

    public IReadOnlyList<FileSystemEntry> Files { get; }

    /// <summary>The files of a copy, those that mark it last.</summary>
    public static IReadOnlyList<FileSystemEntry> FilesOf(IFileSource files, string folder) =>
    [
        .. files.List(folder).Where(entry => !entry.IsFolder)
            .OrderBy(CopyMarks.IsMark).ThenBy(static entry => entry.Name.EndsWith(".step", StringComparison.Ordinal)).ThenBy(static entry => entry.Name, StringComparer.Ordinal),
    ];

    /// <summary>Brings it.</summary>
    /// <param name="from">Where it stands.</param>
    /// <param name="entry">The copy; complete, and without a marker of Cairn.</param>
    /// <param name="run">The run that it goes to; <see langword="null"/> for a folder of that other program.</param>
    /// <param name="to">How it gets there.</param>
    /// <param name="readBack">Whether what arrived is read back and compared.</param>
    /// <param name="watched">Passes reads on, and may count them.</param>
    /// <param name="cancellationToken">Gives it up before it has its name.</param>
    /// <exception cref="CopyChangedException">The copy was replaced or removed meanwhile.</exception>
    /// <exception cref="IOException">One of the two stores refused.</exception>
    /// <exception cref="StoreException">There is not enough space, or what was read back is not what was sent.</exception>
    public static SavedCopy Run(IFileSource from, CatalogEntry entry, RunRecord? run, ICopyPublisher to, bool readBack, Func<IFileSource, IFileSource> watched, CancellationToken cancellationToken)
    {
        Marker marker = entry.Marker is { IsDerived: true } derived ? derived : throw new ArgumentException("Only a complete copy without a marker of Cairn is transferred as it is.", nameof(entry));
        using HeldCopy held = entry.Hold(from) ?? throw entry.Changed();
        var transfer = new UnmarkedTransfer(watched(held), entry.Folder, readBack, watched, cancellationToken);
        // It belongs to the run in whose folder it stands.
        marker = run is null ? marker : marker with { Run = run.Id, Lineage = run.Lineage };
        var notes = new List<string>();
        CatalogEntry taken = to.TakeAsItIs(marker, transfer, notes);
        return new SavedCopy(taken, transfer.Files.Sum(file => file.Length), 0, null, notes);
    }

    public void Write(FileSystemEntry file, IWritableFile to)
    {
        string path = $"{_folder}/{file.Name}";
        var hash = new XxHash128();
        using IReadableFile source = _from.OpenRead(path);
        FileCopying.Run(_from, path, source, file.Length, to, file.Name, block => hash.Append(block.Span), _cancellationToken);
        _hashes[file.Name] = hash.GetCurrentHashAsUInt128();
    }

    public void Check(IFileSource files, string place, IEnumerable<FileSystemEntry> some)
    {
        _cancellationToken.ThrowIfCancellationRequested();
        if (!_readBack)
            return;
        IFileSource watched = _watched(files);
        foreach (FileSystemEntry file in some)
        {
            var marked = new MarkedFile(file.Name, file.Length, ChunkHashes.Whole(_hashes[file.Name]));
            using IReadableFile arrived = watched.OpenRead($"{place}/{file.Name}");
            if (ChunkCheck.FaultOf(new MarkedChunk(marked, 0), arrived, read: null, _cancellationToken) is { } fault)
                throw new StoreException($"What arrived in {files.Root} is not what was sent: {place}/{file.Name}: {fault}.") { Path = $"{place}/{file.Name}" };
        }
    }
}
