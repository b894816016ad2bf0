using Cairn.State;

namespace Cairn.Formats.Torch.Distributed.Writing;

/// <summary>
/// A distributed checkpoint of PyTorch, planned to the byte as <c>torch.distributed.checkpoint.save</c> of a job of several ranks writes it with its own planner: <c>.metadata</c>, and a file
/// <c>__{rank}_0.distcp</c> of each rank that writes something. Tensors are cut along their first dimension (<see cref="RowShard"/>); all else is the first rank's. A tensor under two names lies there once.
/// No tensor is read until its file is written.
/// </summary>
internal sealed class DistributedWriter
{
    private readonly SortedDictionary<int, DistcpFile> _files = [];
    private readonly List<DistributedItem> _items = [];

    private DistributedWriter() { }

    /// <summary>The files with the values, by rank.</summary>
    public IReadOnlyCollection<DistcpFile> Files => _files.Values;
    /// <summary>What they hold, and where.</summary>
    public IReadOnlyList<DistributedItem> Items => _items;
    /// <summary>The bytes of <c>.metadata</c>, which is written last.</summary>
    public ReadOnlyMemory<byte> Metadata { get; private set; }

    /// <summary>Plans a checkpoint.</summary>
    /// <param name="values">The state, flat.</param>
    /// <param name="ranks">How many ranks wrote it, as a reader sees it; at least 1.</param>
    /// <exception cref="ArgumentException">A file of PyTorch cannot hold a value; the message names it.</exception>
    public static DistributedWriter Plan(IReadOnlyList<FlatValue> values, int ranks)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentOutOfRangeException.ThrowIfLessThan(ranks, 1);
        var writer = new DistributedWriter();
        // PyTorch puts a file's values before its tensors.
        var places = new Dictionary<FlatValue, DistributedPlace>(ReferenceEqualityComparer.Instance);
        foreach (FlatValue value in values.Where(value => value.Value is not TorchTensorValue))
            places.Add(value, writer.FileOf(0).Add(value.Name, value.Value));
        var written = new Dictionary<StateTensor, DistributedTensor>(ReferenceEqualityComparer.Instance);
        foreach (FlatValue value in values)
            writer._items.Add(value.Value is TorchTensorValue tensor ? writer.Tensor(value, tensor.Data, written, ranks) : new DistributedValue(value.Name, value.Path, places[value]));
        writer.Metadata = DistributedMetadataWriter.Write(writer._items);
        return writer;
    }

    private DistributedTensor Tensor(FlatValue value, StateTensor tensor, Dictionary<StateTensor, DistributedTensor> written, int ranks)
    {
        if (written.TryGetValue(tensor, out DistributedTensor? same))
            return same with { Name = value.Name, Path = value.Path };
        var chunks = new List<DistributedChunk>();
        foreach (RowShard rows in RowShard.Of(tensor.Shape, ranks))
            chunks.Add(new DistributedChunk(rows.OffsetIn(tensor), rows.SizesIn(tensor), FileOf(rows.Rank).Add(value.Name, tensor, rows)));
        var added = new DistributedTensor(value.Name, value.Path, tensor.Type, tensor.Shape, chunks);
        written.Add(tensor, added);
        return added;
    }

    private DistcpFile FileOf(int rank)
    {
        if (!_files.TryGetValue(rank, out DistcpFile? file))
            _files.Add(rank, file = new DistcpFile(rank));
        return file;
    }
}
