using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts;

/// <summary>How the parts of the state map to the files of a checkpoint, both ways. One of your own is made known by <see cref="CheckpointLayouts.Register"/>.</summary>
public interface ICheckpointLayout
{
    /// <summary>The layout's name in options and on the command line.</summary>
    string Name { get; }

    /// <summary>The name of the file that makes a folder a checkpoint; it is written last, and lists all others.</summary>
    internal string MarkerName(long step) => Marker.FileName(step);

    /// <summary>Refuses a part that the layout cannot hold, before training begins.</summary>
    /// <exception cref="ArgumentException">The name is not allowed.</exception>
    void CheckPart(string part);

    /// <summary>Refuses a job whose ranks the layout cannot hold, before training begins.</summary>
    /// <exception cref="CheckpointException">The layout is written by one process only.</exception>
    void CheckWorld(World world)
    {
        ArgumentNullException.ThrowIfNull(world);
        if (world.Size > 1)
            throw new CheckpointException($"The layout '{Name}' is written by one process only, and the job has {world.Size} ranks. Choose the layout 'cairn' for it; cairn convert makes the other of a checkpoint.");
    }

    /// <summary>Plans the files of a checkpoint. No tensor is read.</summary>
    /// <exception cref="ArgumentException">A part's name is not allowed or stands twice, or its state cannot be saved.</exception>
    IReadOnlyList<PlannedFile> Plan(long step, IReadOnlyList<(string Part, StateMap State)> parts);

    /// <summary>Plans the files that one rank of a job saves. Their names are no other rank's. No tensor is read.</summary>
    /// <param name="step">The step.</param>
    /// <param name="parts">What this rank saves of each part; parts of which it saves nothing are left out.</param>
    /// <param name="world">Sizes of the job.</param>
    /// <param name="rank">The rank.</param>
    /// <exception cref="ArgumentException">A part's name is not allowed, or its state cannot be saved.</exception>
    /// <exception cref="CheckpointException">The layout is written by one process only.</exception>
    IReadOnlyList<PlannedFile> Plan(long step, IReadOnlyList<RankPart> parts, World world, int rank)
    {
        CheckWorld(world);
        return Plan(step, [.. parts.Select(part => (part.Name, part.State))]);
    }

    /// <summary>As <see cref="Plan(long, IReadOnlyList{RankPart}, World, int)"/>, with what is known of the plan before.</summary>
    internal IReadOnlyList<PlannedFile> Plan(long step, IReadOnlyList<RankPart> parts, World world, int rank, PlanMemory before) => Plan(step, parts, world, rank);

    /// <summary>Opens the files that one rank has just written, and reads all of them but the tensors' bytes, as a resume does.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="folder">The checkpoint's folder.</param>
    /// <param name="fileNames">The files that <see cref="Plan(long, IReadOnlyList{RankPart}, World, int)"/> named.</param>
    /// <exception cref="CorruptCheckpointException">A resume would refuse one of them.</exception>
    /// <exception cref="IOException">A file could not be opened or read.</exception>
    void CheckReadable(IFileSource files, string folder, IReadOnlyList<string> fileNames)
    {
        using LoadedCheckpoint opened = Open(files, folder, fileNames);
        foreach (string part in opened.Parts)
            _ = opened.Load(part);
    }

    /// <summary>Opens a checkpoint. Small values are read when a part is loaded, tensors when they are asked for.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="folder">The checkpoint's folder; empty for the root.</param>
    /// <param name="fileNames">The names of its files.</param>
    /// <exception cref="CorruptCheckpointException">The files contradict each other.</exception>
    LoadedCheckpoint Open(IFileSource files, string folder, IEnumerable<string> fileNames);
}

/// <summary>A checkpoint that is open for reading. The tensors of its parts read from its files until it is disposed. For one thread, but the tensors.</summary>
public abstract class LoadedCheckpoint : IDisposable
{
    private readonly List<IDisposable> _open = [];

    /// <summary>What it was opened from; <see langword="null"/> when a layout opened it and not <see cref="CheckpointReader"/>.</summary>
    internal CheckpointSource? Source { get; set; }

    /// <summary>The step that its files tell, where neither a marker nor a name does; <see langword="null"/> when they do not.</summary>
    internal virtual long? StepInside => null;

    /// <summary>Files that hold no part and belong to it all the same, such as <c>config.json</c> and a tokenizer's; a conversion takes them along.</summary>
    public virtual IReadOnlyList<string> OtherFiles => [];

    /// <summary>What a reader of it should know and could not see, such as files that hold weights and are not read; each one sentence without its full stop.</summary>
    public virtual IReadOnlyList<string> Notes => [];

    /// <summary>Those of <see cref="Notes"/> that say where what lists the files and the files themselves disagree, so that what is read was chosen.</summary>
    internal virtual IReadOnlyList<string> Disagreements => [];

    /// <summary>Which of its values a state holds as another type than the file, for a conversion to say; <see langword="null"/> when none.</summary>
    internal virtual string? Changes => null;

    /// <summary>The names of the parts, in their order.</summary>
    public abstract IReadOnlyList<string> Parts { get; }

    /// <summary>The files that a part is read from.</summary>
    public abstract IReadOnlyList<string> FilesOf(string part);

    /// <summary>A part's state, whole: the shards of all ranks are one tensor. Of a part that each rank has for itself, the first one's.</summary>
    /// <exception cref="KeyNotFoundException">There is no such part.</exception>
    /// <exception cref="ShardOwnershipException">An element of a tensor has no owner, or several.</exception>
    /// <exception cref="CorruptCheckpointException">A file is bad.</exception>
    /// <exception cref="IOException">A file could not be opened or read.</exception>
    public abstract StateMap Load(string part);

    /// <summary>The ranks, or data-parallel ranks, that have a state of their own of a part, ascending; empty when all share one.</summary>
    public virtual IReadOnlyList<int> RanksOf(string part) => [];

    /// <summary>A part's state that belongs to one of <see cref="RanksOf"/>.</summary>
    /// <exception cref="KeyNotFoundException">There is no such part, or no such rank.</exception>
    /// <inheritdoc cref="Load(string)" path="/exception"/>
    public virtual StateMap Load(string part, int rank) => throw new KeyNotFoundException($"The checkpoint has no state of part '{part}' for rank {rank}.");

    /// <summary>Remembers what is to be closed with the checkpoint.</summary>
    protected T Keep<T>(T opened) where T : IDisposable
    {
        _open.Add(opened);
        return opened;
    }

    /// <summary>Hands over what its files are read through; it is closed with the checkpoint.</summary>
    internal LoadedCheckpoint With(IDisposable? opened)
    {
        if (opened is not null)
            _open.Add(opened);
        return this;
    }

    /// <summary>Closes the files. The tensors cannot be read any more.</summary>
    public void Dispose()
    {
        foreach (IDisposable opened in _open)
            opened.Dispose();
        _open.Clear();
        GC.SuppressFinalize(this);
    }
}
