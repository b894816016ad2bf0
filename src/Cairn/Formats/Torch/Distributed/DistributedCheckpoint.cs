using Cairn.State;
using Cairn.Stores;

namespace Cairn.Formats.Torch.Distributed;

/// <summary>
/// A distributed checkpoint of PyTorch (<c>torch.distributed.checkpoint</c>) that is open for reading: a pickle <c>.metadata</c>, and files
/// <c>__{rank}_{n}.distcp</c>, in which every chunk of a tensor and every other value is a file of <c>torch.save</c> at an offset. Nothing is executed.
/// Chunks are merged into whole tensors that read only the bytes that they are asked for, from any thread, until it is disposed.
/// </summary>
internal sealed class DistributedCheckpoint : IDisposable
{
    /// <summary>The name of the metadata's file; it is written last.</summary>
    public const string MetadataName = ".metadata";

    // Far fewer than any system lets a process open, and as many as threads that read have use for.
    private const int MostOpen = 128;
    private static readonly TorchReadOptions Options = new() { AllowOpaque = true };

    private readonly string _folder;
    private readonly OpenFiles _open;

    private DistributedCheckpoint(IFileSource files, string folder, IReadOnlyList<DistributedItem> items)
    {
        _folder = folder;
        _open = new OpenFiles(files, folder, MostOpen);
        Items = items;
        Files = [.. items.SelectMany(Places).Select(place => place.File).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    /// <summary>What it holds, in the order of the metadata.</summary>
    public IReadOnlyList<DistributedItem> Items { get; }
    /// <summary>The names of the files that hold it, without the metadata.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>Opens a checkpoint: reads the metadata, and looks whether every file is there and long enough and every element of every tensor has exactly one owner.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="folder">The checkpoint's folder; empty for the root.</param>
    /// <exception cref="CorruptDistributedCheckpointException">It is not what it should be.</exception>
    /// <exception cref="CorruptTorchFileException">The metadata is no good pickle.</exception>
    /// <exception cref="ForbiddenPickleException">The metadata holds more than plain data.</exception>
    /// <exception cref="IOException">A file could not be opened or read.</exception>
    public static DistributedCheckpoint Open(IFileSource files, string folder)
    {
        ArgumentNullException.ThrowIfNull(files);
        string path = StorePath.Join(folder, MetadataName);
        if (!files.FileExists(path))
            throw new CorruptDistributedCheckpointException(DistributedFault.MetadataMissing, folder.Length == 0 ? files.Root : folder, "there is no metadata: the save did not end", MetadataName, "none");
        IReadOnlyList<DistributedItem> items;
        using (IReadableFile metadata = files.OpenRead(path))
            items = DistributedMetadataReader.Read(TorchFile.ReadPickle(metadata, path), path);
        var lengths = files.List(folder).Where(entry => !entry.IsFolder).ToDictionary(entry => entry.Name, entry => entry.Length, StringComparer.Ordinal);
        foreach (DistributedItem item in items)
        {
            foreach (DistributedPlace place in Places(item))
                CheckPlace(lengths, item, place, path);
        }
        var checkpoint = new DistributedCheckpoint(files, folder, items);
        // Merging checks the cover; no chunk is read.
        foreach (DistributedTensor tensor in items.OfType<DistributedTensor>())
            _ = checkpoint.Tensor(tensor);
        return checkpoint;
    }

    /// <summary>
    /// The state: maps and lists as they were saved where the metadata has the paths (<c>planner_data</c>), else a flat map by name. Values that are no tensors are
    /// read now, tensors when they are asked for.
    /// </summary>
    /// <exception cref="CheckpointException">A value is bad, or a state cannot hold it.</exception>
    /// <exception cref="IOException">A file could not be read.</exception>
    public StateMap Load()
    {
        var tree = new PathTree(StorePath.Join(_folder, MetadataName));
        var known = new Dictionary<DistributedPlace, (DistributedTensor Tensor, StateTensor State)>();
        foreach (DistributedItem item in Items)
            tree.Add(item, item is DistributedTensor tensor ? Tied(tensor, known) : Value((DistributedValue)item));
        return tree.ToState();
    }

    // Two names of the same chunks are a tie.
    private StateTensor Tied(DistributedTensor tensor, Dictionary<DistributedPlace, (DistributedTensor Tensor, StateTensor State)> known)
    {
        if (tensor.Chunks.Count == 0)
            return Tensor(tensor);
        if (!known.TryGetValue(tensor.Chunks[0].Place, out (DistributedTensor Tensor, StateTensor State) first))
        {
            StateTensor state = Tensor(tensor);
            known.Add(tensor.Chunks[0].Place, (tensor, state));
            return state;
        }
        return first.Tensor.IsSame(tensor) ? first.State : Tensor(tensor);
    }

    /// <summary>Values that <see cref="Load"/> met and that are not, or not wholly, what they were.</summary>
    public List<UnreadValue> Unread { get; } = [];

    /// <summary>A tensor, whole.</summary>
    /// <exception cref="CorruptDistributedCheckpointException">Its chunks do not make it up.</exception>
    public StateTensor Tensor(DistributedTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return Merge(this, tensor, StorePath.Join(_folder, MetadataName));
    }

    internal static StateTensor Merge(DistributedCheckpoint checkpoint, DistributedTensor tensor, string path)
    {
        try
        {
            long[] shape = [.. tensor.Shape];
            var shards = new List<ShardTensor>(tensor.Chunks.Count);
            foreach (DistributedChunk chunk in tensor.Chunks)
            {
                long bytes = tensor.Type.ByteLength([.. chunk.Sizes]);
                if (bytes > chunk.Place.Length)
                    throw new CorruptDistributedCheckpointException(DistributedFault.OutOfFile, path, "a chunk is too short for its elements", $"at least {bytes} bytes", $"{chunk.Place.Length}", tensor.Name);
                shards.Add(new ShardTensor(new ChunkTensor(checkpoint, tensor, chunk), ShardExtent.OfBox(shape, [.. chunk.Offsets], [.. chunk.Sizes])));
            }
            // Chunks that hold nothing own nothing; and one box that stands twice is no replica here.
            ShardTensor[] held = [.. shards.Where(shard => shard.ByteLength > 0)];
            if (held.DistinctBy(shard => shard.Extent).Count() != held.Length)
                throw Cover(tensor, "a chunk stands twice", path);
            if (held.Length > 0)
                return StateTensor.Join(tensor.Name, held);
            return tensor.Type.ByteLength(shape) == 0 ? new MemoryTensor(tensor.Type, shape, default) : throw Cover(tensor, "there are none", path);
        }
        catch (Exception e) when (e is ArgumentException or OverflowException or ShardOwnershipException)
        {
            throw Cover(tensor, e.Message, path, e);
        }
    }

    /// <summary>Reads every chunk and value to its end, and compares it with the checksums that it carries.</summary>
    /// <returns>Whether all of them carry some; chunks in the format of before PyTorch 1.6 do not.</returns>
    /// <exception cref="CorruptTorchFileException">A checksum is wrong.</exception>
    /// <exception cref="IOException">A file could not be read.</exception>
    public bool Verify(CancellationToken cancellationToken = default)
    {
        bool all = true;
        foreach (DistributedPlace place in Items.SelectMany(Places).Distinct())
        {
            using TorchFile file = OpenAt(place);
            file.Verify(cancellationToken);
            all &= file.HasChecksums;
        }
        return all;
    }

    /// <summary>Closes the files. The tensors cannot be read any more.</summary>
    public void Dispose() => _open.Dispose();

    /// <summary>The file of <c>torch.save</c> at a place. Disposing it leaves the file around it open.</summary>
    internal TorchFile OpenAt(DistributedPlace place) =>
        TorchFile.Open(new FileSlice(_open[place.File], place.Offset, place.Length), $"{StorePath.Join(_folder, place.File)} at {place.Offset}", Options);

    private StateNode Value(DistributedValue item)
    {
        using TorchFile file = OpenAt(item.Place);
        var within = new List<UnreadValue>();
        StateNode state = TorchTree.ToState(file.Root, within);
        Unread.AddRange(within.Select(value => value with { Place = value.Place == TorchPath.Root ? item.Name : $"{item.Name}/{value.Place}" }));
        return state;
    }

    private static void CheckPlace(Dictionary<string, long> lengths, DistributedItem item, DistributedPlace place, string path)
    {
        if (!lengths.TryGetValue(place.File, out long length))
            throw new CorruptDistributedCheckpointException(DistributedFault.MissingFile, path, "its file is missing", place.File, "none", item.Name);
        if (place.Offset > length - place.Length)
        {
            throw new CorruptDistributedCheckpointException(
                DistributedFault.OutOfFile, path, $"it reaches past the end of {place.File}", $"at most {length} bytes", $"{place.Length} bytes at {place.Offset}", item.Name);
        }
    }

    private static IEnumerable<DistributedPlace> Places(DistributedItem item) =>
        item is DistributedTensor tensor ? tensor.Chunks.Select(chunk => chunk.Place) : [((DistributedValue)item).Place];

    private static CorruptDistributedCheckpointException Cover(DistributedTensor tensor, string what, string path, Exception? cause = null) => new(
        DistributedFault.ChunkCover, path, "its chunks do not make it up", $"chunks that hold each element of [{string.Join(", ", tensor.Shape)}] once", what.TrimEnd('.'), tensor.Name, cause);
}
