using System.Runtime.InteropServices;
using Cairn.Checkpoints;
using Cairn.State;

namespace Cairn.Tests.Manager.Job;

/// <summary>
/// One rank of a job small enough to follow by hand: two matrices cut by tp, their moments cut by zo in flat ranges, a bias that all hold, a position in the data
/// and a random state of each rank. Every element changes by a rule of its own, so that any world computes the same.
/// </summary>
internal sealed class RankTraining
{
    public const int BatchSize = 12;

    private readonly List<ShardPart.Cut> _weights = [], _moments = [];

    public RankTraining(World world, int rank)
    {
        (World, Rank) = (world, rank);
        RankCoordinates at = world.CoordinatesOf(rank);
        foreach ((string name, long[] shape, int dimension) in new[] { ("up", new long[] { 24, 5 }, 0), ("down", new long[] { 5, 24 }, 1) })
        {
            ShardExtent extent = ShardExtent.Cut(shape, dimension, at.Tp, world.Tp);
            _weights.Add(new(name, extent));
            long start = extent.Count * at.Zo / world.Zo, end = extent.Count * (at.Zo + 1) / world.Zo;
            _moments.Add(new(name, world.Zo == 1 ? extent : extent.Flat(start, end - start)));
        }
        _weights.Add(new("bias", ShardExtent.Whole([7])));
        Model = new ShardPart("model", _weights, flat: true);
        Optimizer = new ShardPart("optimizer", _moments, flat: false);
        Sampler = new NumberPart("sampler", PartScope.PerDataRank);
        Random = new NumberPart("random", PartScope.PerRank) { Value = 1000 + rank };
    }

    public World World { get; }
    public int Rank { get; }
    public TrainState Train { get; } = new();
    public ShardPart Model { get; }
    public ShardPart Optimizer { get; }
    public NumberPart Sampler { get; }
    public NumberPart Random { get; }
    public IReadOnlyList<IStatePart> Parts => [Model, Optimizer, Sampler, Random, .. Further];

    /// <summary>Parts beside these.</summary>
    public List<IStatePart> Further { get; } = [];

    /// <summary>One step of all ranks: what the ranks of a world draw together is the same in every world.</summary>
    public void Batch()
    {
        foreach (ShardPart.Cut cut in _moments)
            cut.Change((element, value) => value * 0.5f + element + Train.Step);
        foreach (ShardPart.Cut cut in _weights)
            cut.Change((element, value) => value * 0.75f + element * 0.125f + Train.Step);
        Sampler.Value += BatchSize;
        Random.Value = Random.Value * 31 + 7;
        Train.CompleteStep(BatchSize, loss: 1.0 / (Train.Step + 1));
    }
}

/// <summary>A part of shards, each element of which knows its place in the whole.</summary>
internal sealed class ShardPart(string name, IReadOnlyList<ShardPart.Cut> cuts, bool flat) : IStatePart
{
    public string Name => name;
    public IReadOnlyList<Cut> Cuts => cuts;

    /// <summary>Thrown by the next capture.</summary>
    public Exception? Failure { get; set; }

    /// <summary>Whether the tensors are gone, as those of a disposed module.</summary>
    public bool IsGone { get; set; }

    public StateMap Capture()
    {
        if (Failure is { } failure)
            throw failure;
        var tensors = new StateMap();
        foreach (Cut cut in IsGone ? [] : cuts)
            tensors.Add(cut.Name, cut.Tensor);
        return flat ? tensors : new StateMap { ["type"] = "Momentum", ["state"] = tensors, ["groups"] = new StateList([new StateMap { ["lr"] = 0.25 }]) };
    }

    public void Check(StateMap saved, RestoreProblems problems)
    {
        if (!flat && !saved.ContainsKey("state"))
        {
            problems.AddMissing("state");
            return;
        }
        StateMap tensors = flat ? saved : (StateMap)saved["state"];
        foreach (Cut cut in cuts)
        {
            if (!tensors.TryGetValue(cut.Name, out StateNode? node))
                problems.AddMissing(cut.Name);
            else if (node is not StateTensor tensor || !tensor.Shape.SequenceEqual(cut.Extent.LocalShape))
                problems.AddMismatched(cut.Name, cut.Extent.ToString(), node.ToString()!);
        }
        foreach (string other in tensors.Keys.Except(cuts.Select(cut => cut.Name), StringComparer.Ordinal))
            problems.AddUnexpected(other);
    }

    public void Restore(StateMap saved)
    {
        foreach (Cut cut in cuts)
            ((StateTensor)(flat ? saved : (StateMap)saved["state"])[cut.Name]).CopyTo(0, MemoryMarshal.AsBytes(cut.Values.AsSpan()));
    }

    internal sealed class Cut(string name, ShardExtent extent)
    {

        public string Name => name;
        public ShardExtent Extent => extent;
        public float[] Values { get; } = new float[extent.Count];
        public StateTensor Tensor => extent.IsWhole ? new LiveTensor(Values, extent.LocalShape) : new ShardTensor(new LiveTensor(Values, extent.LocalShape), extent);

        public void Change(Func<long, float, float> change)
        {
            long[] strides = new long[extent.Box.Shape.Count];
            long stride = 1;
            for (int d = strides.Length - 1; d >= 0; d--)
            {
                strides[d] = stride;
                stride *= extent.GlobalShape[d];
            }
            for (long i = 0; i < extent.Count; i++)
            {
                long rest = extent.Start + i, element = 0;
                for (int d = strides.Length - 1; d >= 0; d--)
                {
                    (rest, long index) = Math.DivRem(rest, extent.Box.Shape[d]);
                    element += (extent.Box.Offset[d] + index) * strides[d];
                }
                Values[i] = change(element, Values[i]);
            }
        }
    }

    private sealed class LiveTensor(float[] values, IReadOnlyList<long> shape) : StateTensor(TensorType.F32, [.. shape])
    {
        public override void CopyTo(long offset, Span<byte> destination) =>
            MemoryMarshal.AsBytes(values.AsSpan()).Slice((int)offset, destination.Length).CopyTo(destination);
    }
}

/// <summary>One number.</summary>
internal sealed class NumberPart(string name, PartScope scope) : IStatePart
{
    public string Name => name;
    public PartScope Scope => scope;
    public long Value { get; set; }

    public StateMap Capture() => new() { ["value"] = Value };

    public void Check(StateMap saved, RestoreProblems problems)
    {
        if (!saved.ContainsKey("value"))
            problems.AddMissing("value");
    }

    public void Restore(StateMap saved) => Value = (long)((StateScalar)saved["value"]).Value!;
}
