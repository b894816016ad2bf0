using Cairn.State;

namespace Cairn.Inspection;

/// <summary>What a thread has of its own while it measures.</summary>
internal sealed class StatisticsScratch
{
    public byte[] Buffer = [];
    public StatisticsAccumulator Found { get; } = new();
}

/// <summary>The statistics of one tensor.</summary>
internal sealed class StatisticsJob(StateTensor tensor, int bins) : BlockJob<StatisticsScratch>(Inspection.Blocks.Count(tensor, Inspection.Blocks.Elements(tensor.Type)))
{
    private readonly int _elements = Inspection.Blocks.Elements(tensor.Type);
    private Moments[]? _moments;
    private StatisticsAccumulator? _all;

    public TensorStatistics Result { get; private set; } = null!;

    protected override long Do(long block, StatisticsScratch scratch)
    {
        ReadOnlySpan<byte> bytes = Inspection.Blocks.Read(tensor, block, _elements, ref scratch.Buffer);
        Moments found = scratch.Found.Add(tensor.Type, bytes);
        MomentsOfBlocks()[block] = found;
        return bytes.Length;
    }

    protected override void TakeOver(StatisticsScratch scratch)
    {
        if (Blocks == 1)
            Result = TensorStatistics.From(scratch.Found, MomentsOfBlocks()[0], bins);
        else
            (_all ??= new StatisticsAccumulator()).Merge(scratch.Found);
        scratch.Found.Clear();
    }

    protected override void Finish()
    {
        // In the order of the blocks, whichever thread had them: the sum is the same every time.
        if (Blocks != 1)
            Result = TensorStatistics.From(_all!, MomentsOfBlocks().Aggregate(default(Moments), (all, block) => all.Merge(block)), bins);
        (_all, _moments) = (null, null);
    }

    private Moments[] MomentsOfBlocks()
    {
        if (_moments is null)
            Interlocked.CompareExchange(ref _moments, new Moments[Blocks], null);
        return _moments;
    }
}
