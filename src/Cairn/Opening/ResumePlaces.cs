using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>
/// Where a copy to resume from may stand: in the run, or in what <see cref="CheckpointOptions.ResumeFrom"/> names. Each rank opens these places for itself; what the ranks tell each
/// other is which of them, and never a path.
/// </summary>
/// <param name="run">The run.</param>
/// <param name="resumeFrom">What the options name, if anything.</param>
/// <param name="open">Opens a place that is not the run.</param>
internal sealed class ResumePlaces(IFileSource run, string? resumeFrom, Func<string, IFileSource> open)
{
    private IFileSource? _named, _parent;
    private string? _path;
    private IDisposable? _read;

    /// <summary>The run itself.</summary>
    public IFileSource Run => run;

    /// <summary>Whether the options name anything. All ranks must agree on that.</summary>
    public bool IsNamed => !string.IsNullOrEmpty(resumeFrom);

    /// <summary>What the options name, as a path or an address.</summary>
    public string Path => _path ??= PlacePath.Full(resumeFrom!);

    /// <summary>The name of that place in <see cref="Parent"/>.</summary>
    public string Name => PlacePath.Name(Path);

    /// <summary>The place itself: another run.</summary>
    public IFileSource Named => _named ??= open(Path);

    /// <summary>The folder in which it stands: for one copy of a run.</summary>
    public IFileSource Parent => _parent ??= open(PlacePath.Parent(Path) ?? Path);

    /// <summary>The fast folder, when all ranks see the same one.</summary>
    public IFileSource? Fast { get; set; }

    /// <summary>On the first rank: the copies in it.</summary>
    public IReadOnlyList<CatalogEntry> Nearer { get; set; } = [];

    /// <summary>The parts that are asked for by name; empty for all.</summary>
    public IReadOnlyCollection<string> Parts { get; init; } = [];

    /// <summary>Keeps a copy of another run where it is while it is read, however long that takes.</summary>
    public Func<CatalogEntry, IDisposable?>? Pin { get; init; }

    /// <summary>Before a copy of another run is read. One that was read before is free again.</summary>
    public void BeginReading(CatalogEntry entry)
    {
        EndReading();
        _read = Pin?.Invoke(entry);
    }

    /// <summary>When nothing is read any more.</summary>
    public void EndReading()
    {
        _read?.Dispose();
        _read = null;
    }

    /// <summary>Says which place this is.</summary>
    public void Write(BinaryWriter to, IFileSource place) => to.Write(ReferenceEquals(place, run) ? (byte)0 : ReferenceEquals(place, _parent) ? (byte)1 : ReferenceEquals(place, Fast) ? (byte)3 : (byte)2);

    /// <summary>The place of which another rank speaks.</summary>
    public IFileSource Read(BinaryReader from) => from.ReadByte() switch { 0 => run, 1 => Parent, 3 => Fast!, _ => Named };
}
