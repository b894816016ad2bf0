using Cairn.State;

namespace Cairn.Formats.Torch.Distributed.Writing;

/// <summary>
/// A file <c>__{rank}_0.distcp</c>: one file of <c>torch.save</c> after the other, each a chunk of a tensor or a value. What is in it is planned to the byte once, and again when it is written, so that
/// nothing but its place is kept of each.
/// </summary>
internal sealed class DistcpFile(int rank) : IFileContent
{
    private const string ArchiveName = "archive";

    private readonly List<Entry> _entries = [];

    /// <summary>The file's name.</summary>
    public string Name { get; } = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"__{rank}_0.distcp");
    /// <inheritdoc/>
    public long Length { get; private set; }

    /// <inheritdoc/>
    public IReadOnlyList<TensorPlacement> Tensors =>
        [.. _entries.Where(entry => entry.Tensor is not null).Select(entry => new TensorPlacement(entry.Name, entry.Rows.Of(entry.Tensor!), entry.Offset + entry.DataOffset))];

    /// <summary>Adds a value at the end.</summary>
    /// <returns>Where it lies.</returns>
    /// <exception cref="ArgumentException">A file of PyTorch cannot hold it; the message says why.</exception>
    public DistributedPlace Add(string name, TorchValue value) => Add(new Entry(name, value, null, default));

    /// <summary>Adds rows of a tensor at the end.</summary>
    /// <inheritdoc cref="Add(string, TorchValue)"/>
    public DistributedPlace Add(string name, StateTensor tensor, RowShard rows) => Add(new Entry(name, null, tensor, rows));

    /// <inheritdoc/>
    public void WriteTo(BlockSink sink)
    {
        foreach (Entry entry in _entries)
            entry.Plan().WriteTo((bytes, type, _) => sink(bytes, type, type is null ? null : entry.Name));
    }

    private DistributedPlace Add(Entry entry)
    {
        TorchFileWriter planned;
        try
        {
            planned = entry.Plan();
        }
        catch (ArgumentException e)
        {
            throw new ArgumentException($"'{entry.Name}': {e.WithoutParameter()}", nameof(entry), e);
        }
        var place = new DistributedPlace(Name, Length, planned.Length);
        _entries.Add(entry with { Offset = Length, DataOffset = planned.Tensors.Count > 0 ? planned.Tensors[0].Offset : 0 });
        Length = checked(Length + planned.Length);
        return place;
    }

    private sealed record Entry(string Name, TorchValue? Value, StateTensor? Tensor, RowShard Rows)
    {
        public long Offset { get; init; }
        public long DataOffset { get; init; }

        public TorchFileWriter Plan() => TorchFileWriter.Plan(Value ?? new TorchTensorValue(Rows.Of(Tensor!)), ArchiveName);
    }
}
