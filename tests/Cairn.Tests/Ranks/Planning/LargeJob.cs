using Cairn.Checkpoints;
using Cairn.Ranks.Planning;
using Cairn.State;

namespace Cairn.Tests.Ranks.Planning;

/// <summary>
/// What the ranks of a large job hold, without the bytes: tensors spread over the stages, four of five cut by tp and one replicated, moments in one flat stretch for
/// each rank of ZeRO as InternLM cuts them, and values that all ranks have.
/// </summary>
internal sealed class LargeJob
{
    private readonly World _world;
    private readonly int _perStage;

    public LargeJob(World world, int tensors)
    {
        (_world, _perStage) = (world, tensors / world.Pp);
        var classes = new List<HolderClass>();
        var details = new List<(string Part, LeafDetail[] Leaves)>();
        for (int pp = 0; pp < world.Pp; pp++)
        {
            for (int tp = 0; tp < world.Tp; tp++)
            {
                (int stage, int cut) = (pp, tp);
                ShardExtent[] extents = [.. Enumerable.Range(stage * _perStage, _perStage).Select(tensor => ExtentOf(tensor, cut))];
                Add("model", [.. Enumerable.Range(0, world.Dp).Select(dp => world.RankAt(cut, stage, dp))], Model(pp, extents), classes, details);
                for (int dp = 0; dp < world.Dp; dp++)
                    Add("optimizer", [world.RankAt(tp, pp, dp)], Optimizer(pp, tp, dp % world.Zo, extents), classes, details);
            }
        }
        Add("scheduler", [.. Enumerable.Range(0, world.Size)], [.. Enumerable.Range(0, 20).Select(i => new PartLeaf($"value{i}", null, -1))], classes, details);
        (Classes, Details) = (classes, details);
    }

    public IReadOnlyList<HolderClass> Classes { get; }
    public IReadOnlyList<(string Part, LeafDetail[] Leaves)> Details { get; }
    public int Leaves => Classes.Sum(of => of.Leaves.Length);

    private static void Add(string part, int[] ranks, PartLeaf[] leaves, List<HolderClass> classes, List<(string, LeafDetail[])> details)
    {
        Array.Sort(ranks);
        classes.Add(new HolderClass(ranks, [.. leaves.Select(leaf => new PlannedLeaf(leaf.Key(part), leaf.Bytes, leaf.TieOf))]));
        details.Add((part, [.. leaves.Select(LeafDetail.Of)]));
    }

    private static bool IsCut(int tensor) => tensor % 5 != 0;

    private static long[] ShapeOf(int tensor) => IsCut(tensor) ? [4096, 64 * (1 + tensor % 7)] : [4096];

    private ShardExtent ExtentOf(int tensor, int tp) =>
        IsCut(tensor) ? ShardExtent.Cut(ShapeOf(tensor), tensor % 2, tp, _world.Tp) : ShardExtent.Whole(ShapeOf(tensor));

    private PartLeaf[] Model(int pp, ShardExtent[] extents) =>
    [
        .. extents.Select((extent, i) => new PartLeaf($"layers.{(pp * _perStage) + i}.weight", new Nothing(extent).Shard, -1)),
    ];

    private PartLeaf[] Optimizer(int pp, int tp, int zo, ShardExtent[] extents)
    {
        int first = pp * _perStage;
        // A replicated tensor's moments are kept by the first rank that cuts the others.
        bool Keeps(int i) => IsCut(first + i) || tp == 0;
        long total = 0;
        for (int i = 0; i < extents.Length; i++)
            total += Keeps(i) ? extents[i].Count : 0;
        (long from, long to) = (total * zo / _world.Zo, total * (zo + 1) / _world.Zo);
        var leaves = new List<PartLeaf>();
        long before = 0;
        for (int i = 0; i < extents.Length; i++)
        {
            if (!Keeps(i))
                continue;
            ShardExtent whole = extents[i];
            (long start, long end) = (Math.Max(before, from) - before, Math.Min(before + whole.Count, to) - before);
            before += whole.Count;
            if (start >= end)
                continue;
            StateTensor piece = new Nothing(whole.Flat(start, end - start)).Shard;
            leaves.Add(new PartLeaf($"state/layers.{first + i}.weight/exp_avg", piece, -1));
            leaves.Add(new PartLeaf($"state/layers.{first + i}.weight/exp_avg_sq", piece, -1));
            leaves.Add(new PartLeaf($"state/layers.{first + i}.weight/step", null, -1));
        }
        return [.. leaves];
    }

    /// <summary>A tensor of a shape and no bytes.</summary>
    private sealed class Nothing(ShardExtent extent) : StateTensor(TensorType.F32, [.. extent.LocalShape])
    {
        public StateTensor Shard => extent.IsWhole ? this : new ShardTensor(this, extent);
        public override void CopyTo(long offset, Span<byte> destination) => throw new NotSupportedException();
    }
}
