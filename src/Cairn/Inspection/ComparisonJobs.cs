using Cairn.State;

namespace Cairn.Inspection;

/// <summary>What a thread has of its own while it compares.</summary>
internal sealed class ComparisonScratch
{
    public byte[] Left = [], Right = [];
    public ComparisonAccumulator Found { get; } = new();
}

/// <summary>Whether two tensors have the same type and bytes.</summary>
internal sealed class SameBytesJob(StateTensor left, StateTensor right)
    : BlockJob<ComparisonScratch>(left.Type == right.Type && left != right ? Inspection.Blocks.Count(left, Inspection.Blocks.Elements(left.Type)) : 0)
{
    private volatile bool _different = left.Type != right.Type;
    private long _bytesDone;

    public StateTensor Left => left;
    public StateTensor Right => right;
    public bool AreSame => !_different;
    /// <summary>Bytes that were read of both.</summary>
    public long BytesDone => _bytesDone;

    protected override long Do(long block, ComparisonScratch scratch)
    {
        if (_different)
            return 0;
        int elements = Inspection.Blocks.Elements(left.Type);
        ReadOnlySpan<byte> bytes = Inspection.Blocks.Read(left, block, elements, ref scratch.Left);
        if (!bytes.SequenceEqual(Inspection.Blocks.Read(right, block, elements, ref scratch.Right)))
            _different = true;
        Interlocked.Add(ref _bytesDone, 2L * bytes.Length);
        return 2L * bytes.Length;
    }

    protected override void TakeOver(ComparisonScratch scratch) { }

    protected override void Finish() { }
}

/// <summary>How two tensors differ.</summary>
/// <param name="left">The one.</param>
/// <param name="right">The other, of the same shape.</param>
/// <param name="bytesKnown">Bytes that were read of both before; they are not reported again.</param>
internal sealed class ComparisonJob(StateTensor left, StateTensor right, long bytesKnown)
    : BlockJob<ComparisonScratch>(Inspection.Blocks.Count(left, ElementsOf(left, right)))
{
    private readonly int _elements = ElementsOf(left, right);
    private readonly ComparisonAccumulator _all = new();
    private Products[]? _products;
    private long _bytesDone;

    public TensorComparison Result { get; private set; } = null!;

    protected override long Do(long block, ComparisonScratch scratch)
    {
        ReadOnlySpan<byte> a = Inspection.Blocks.Read(left, block, _elements, ref scratch.Left), b = Inspection.Blocks.Read(right, block, _elements, ref scratch.Right);
        Products products = scratch.Found.Add(left.Type, a, right.Type, b);
        ProductsOfBlocks()[block] = products;
        long bytes = a.Length + (long)b.Length, done = Interlocked.Add(ref _bytesDone, bytes);
        return Math.Clamp(done - bytesKnown, 0, bytes);
    }

    protected override void TakeOver(ComparisonScratch scratch)
    {
        _all.Merge(scratch.Found);
        scratch.Found.Clear();
    }

    protected override void Finish()
    {
        Result = TensorComparison.From(_all, ProductsOfBlocks().Aggregate(default(Products), (sum, block) => sum + block));
        _products = null;
    }

    private static int ElementsOf(StateTensor left, StateTensor right) => Math.Min(Inspection.Blocks.Elements(left.Type), Inspection.Blocks.Elements(right.Type));

    private Products[] ProductsOfBlocks()
    {
        if (_products is null)
            Interlocked.CompareExchange(ref _products, new Products[Blocks], null);
        return _products;
    }
}
