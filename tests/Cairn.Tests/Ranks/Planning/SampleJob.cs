using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Ranks.Planning;
using Cairn.State;
using Cairn.Tests.Formats;
using Cairn.Tests.State;

namespace Cairn.Tests.Ranks.Planning;

/// <summary>A state that any world can hold: each world cuts the same global tensors in its own way.</summary>
internal sealed class SampleJob(int seed)
{
    public IReadOnlyDictionary<string, MemoryTensor> Model { get; } = Tensors(new Random(seed));

    /// <summary>What the ranks of a world hold: matrices cut by tp, layers by pp, moments by zo in flat ranges of what a rank would hold alone.</summary>
    public IReadOnlyList<RankPart>[] Cut(World world)
    {
        var ranks = new IReadOnlyList<RankPart>[world.Size];
        for (int rank = 0; rank < ranks.Length; rank++)
        {
            RankCoordinates at = world.CoordinatesOf(rank);
            var model = new StateMap();
            var moments = new StateMap();
            int layer = 0;
            foreach ((string name, MemoryTensor tensor) in Model)
            {
                if (layer++ % world.Pp != at.Pp)
                    continue;
                ShardExtent extent = Extent(tensor, world, at);
                model.Add(name, extent.IsWhole ? tensor : Shard(tensor, extent));
                (long start, long count) = (extent.Count * at.Zo / world.Zo, extent.Count * (at.Zo + 1) / world.Zo - extent.Count * at.Zo / world.Zo);
                moments.Add(name, new StateMap { ["exp_avg"] = world.Zo == 1 ? Shard(tensor, extent) : Shard(tensor, extent.Flat(start, count)), ["step"] = 7L });
            }
            if (at.Pp == 0)
                model.Add("tied", model.Values.First());
            var optimizer = new StateMap { ["type"] = "AdamW", ["state"] = moments, ["groups"] = new StateList([new StateMap { ["lr"] = 0.5, ["betas"] = new StateList([0.9, 0.98]) }]) };
            ranks[rank] =
            [
                new("model", PartScope.Shared, model),
                new("optimizer", PartScope.Shared, optimizer),
                new("scheduler", PartScope.Shared, new StateMap { ["last_epoch"] = 3L }),
                new("sampler", PartScope.PerDataRank, new StateMap { ["position"] = 12L }),
                new("random", PartScope.PerRank, new StateMap { ["cpu"] = TestTensors.Of(TensorType.U8, rank + 1) }),
                new("noise", PartScope.PerRank, new StateMap { ["rank"] = (long)rank }),
            ];
        }
        return ranks;
    }

    public static ShardExtent Extent(StateTensor tensor, World world, RankCoordinates at)
    {
        long[] shape = [.. tensor.Shape];
        int dimension = Array.FindIndex(shape, size => size > 0 && size % world.Tp == 0);
        return dimension < 0 || world.Tp == 1 ? ShardExtent.Whole(shape) : ShardExtent.Cut(shape, dimension, at.Tp, world.Tp);
    }

    /// <summary>What each rank saves, as its plan says.</summary>
    public static IReadOnlyList<RankPart>[] Shares(World world, IReadOnlyList<RankPart>[] ranks, bool eachAlone = false)
    {
        RankDescription[] descriptions = [.. ranks.Select(parts => new RankDescription(parts))];
        HolderClasses classes = HolderClasses.Of([.. descriptions.Select(rank => rank.Shared.Select(part => (part.Name, part.Fingerprint)).ToArray())]);
        HolderClass[] planned = [.. classes.Classes.Select(of => new HolderClass([.. of.Ranks], descriptions[of.Ranks[0]].Shared.First(part => part.Name == of.Part).Planned))];
        SavePlan whole = SavePlan.Create(world.Size, planned);
        return [.. ranks.Select((_, rank) => descriptions[rank].Assigned(eachAlone ? SavePlan.Create(world.Size, planned, rank) : whole, classes.ClassOf[rank], world, rank))];
    }

    /// <summary>The files of all ranks.</summary>
    public static FilesInMemory Save(World world, IReadOnlyList<RankPart>[] shares)
    {
        var files = new FilesInMemory();
        for (int rank = 0; rank < shares.Length; rank++)
        {
            foreach (PlannedFile file in CairnLayout.Plan(shares[rank], world, rank))
                files.Files.Add(file.Name, TestTensors.Written(file.WriteTo));
        }
        return files;
    }

    private static ShardTensor Shard(StateTensor tensor, ShardExtent extent) => new(ShardTests.Hidden(tensor.Slice(extent)), extent);

    private static Dictionary<string, MemoryTensor> Tensors(Random random)
    {
        var tensors = new Dictionary<string, MemoryTensor>(StringComparer.Ordinal);
        int count = random.Next(3, 9);
        for (int i = 0; i < count; i++)
        {
            long[] shape = [.. Enumerable.Range(0, random.Next(0, 4)).Select(_ => (long)random.Next(0, 13))];
            TensorType type = random.Next(2) == 0 ? TensorType.F32 : TensorType.BF16;
            byte[] bytes = new byte[type.ByteLength(shape)];
            random.NextBytes(bytes);
            tensors.Add($"layers.{i}/w", new MemoryTensor(type, shape, bytes));
        }
        return tensors;
    }
}
