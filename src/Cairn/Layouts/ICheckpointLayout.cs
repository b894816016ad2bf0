using Cairn.State;
using Cairn.Storage;

namespace Cairn.Layouts;

/// <summary>How the parts of the state map to the files of a checkpoint, both ways.</summary>
public interface ICheckpointLayout
{
    /// <summary>The layout's name in options and on the command line.</summary>
    string Name { get; }

    /// <summary>The name of the file that makes a folder a checkpoint; it is written last, and lists all others.</summary>
    string MarkerName(long step);

    /// <summary>Refuses a part that the layout cannot hold, before training begins.</summary>
    /// <exception cref="ArgumentException">The name is not allowed.</exception>
    void CheckPart(string part);

    /// <summary>Plans the files of a checkpoint. No tensor is read.</summary>
    /// <exception cref="ArgumentException">A part's name is not allowed or stands twice, or its state cannot be saved.</exception>
    IReadOnlyList<PlannedFile> Plan(long step, IReadOnlyList<(string Part, StateMap State)> parts);

    /// <summary>Opens a checkpoint. Small values are read when a part is loaded, tensors when they are asked for.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="folder">The checkpoint's folder; empty for the root.</param>
    /// <param name="fileNames">The names of its files.</param>
    /// <exception cref="CorruptCheckpointException">The files contradict each other.</exception>
    LoadedCheckpoint Open(IFileSystem files, string folder, IEnumerable<string> fileNames);
}

/// <summary>A checkpoint that is open for reading. The tensors of its parts read from its files until it is disposed. For one thread, but the tensors.</summary>
public abstract class LoadedCheckpoint : IDisposable
{
    private readonly List<IDisposable> _open = [];

    /// <summary>What it was opened from; <see langword="null"/> when a layout opened it and not <see cref="CheckpointReader"/>.</summary>
    public CheckpointSource? Source { get; internal set; }

    /// <summary>Files that hold no part and belong to it all the same, such as <c>config.json</c> and a tokenizer's; a conversion takes them along.</summary>
    public virtual IReadOnlyList<string> OtherFiles => [];

    /// <summary>The names of the parts, in their order.</summary>
    public abstract IReadOnlyList<string> Parts { get; }

    /// <summary>The files that a part is read from.</summary>
    public abstract IReadOnlyList<string> FilesOf(string part);

    /// <summary>A part's state, whole: the shards of all ranks are one tensor.</summary>
    /// <exception cref="KeyNotFoundException">There is no such part.</exception>
    /// <exception cref="CorruptCheckpointException">A file is bad.</exception>
    /// <exception cref="IOException">A file could not be opened or read.</exception>
    public abstract StateMap Load(string part);

    /// <summary>Remembers what is to be closed with the checkpoint.</summary>
    private protected T Keep<T>(T opened) where T : IDisposable
    {
        _open.Add(opened);
        return opened;
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
