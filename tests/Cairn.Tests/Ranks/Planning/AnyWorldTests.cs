using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.State;
using Cairn.Tests.Formats;
using CsCheck;

namespace Cairn.Tests.Ranks.Planning;

/// <summary>What one world saves, any other loads: each rank of it finds just its shards, equal to the bit.</summary>
public class AnyWorldTests
{
    private static readonly Gen<World> Worlds = Gen.Select(Gen.Int[1, 3], Gen.Int[1, 2], Gen.Int[1, 4], Gen.Bool, (tp, pp, dp, zero) => new World(tp, pp, dp, zero ? dp : 1));

    [Fact]
    public void Saved_by_one_world_and_loaded_by_another_every_shard_is_equal_to_the_bit() =>
        Gen.Select(Gen.Int[0, 1 << 20], Worlds, Worlds).Sample((seed, saves, loads) =>
        {
            var job = new SampleJob(seed);
            FilesInMemory files = SampleJob.Save(saves, SampleJob.Shares(saves, job.Cut(saves)));
            using LoadedCheckpoint checkpoint = Open(files);
            StateMap model = checkpoint.Load("model"), optimizer = checkpoint.Load("optimizer");
            foreach (IReadOnlyList<RankPart> rank in job.Cut(loads))
            {
                foreach ((string name, StateNode node) in rank[0].State)
                    Loaded((StateTensor)model[name], (StateTensor)node).ShouldBe(((StateTensor)node).Bytes());
                foreach ((string name, StateNode node) in (StateMap)rank[1].State["state"])
                {
                    var moments = (StateTensor)((StateMap)node)["exp_avg"];
                    var saved = (StateMap)((StateMap)optimizer["state"])[name];
                    Loaded((StateTensor)saved["exp_avg"], moments).ShouldBe(moments.Bytes());
                    ((StateScalar)saved["step"]).Value.ShouldBe(7L);
                }
            }
            ((StateScalar)((StateMap)((StateList)optimizer["groups"])[0])["lr"]).Value.ShouldBe(0.5);
        }, iter: 200);

    [Fact]
    public void Every_tensor_and_value_is_written_once_whatever_the_world() =>
        Gen.Select(Gen.Int[0, 1 << 20], Worlds).Sample((seed, world) =>
        {
            var job = new SampleJob(seed);
            IReadOnlyList<RankPart>[] shares = SampleJob.Shares(world, job.Cut(world));
            long written = shares.Sum(rank => rank.Where(part => part.Name is "model" or "optimizer").Sum(part => Bytes(part.State)));
            // Weights and moments, each once; the tie adds nothing.
            written.ShouldBe(2 * job.Model.Values.Sum(tensor => tensor.ByteLength));
            shares.SelectMany(rank => rank).Count(part => part.Name == "scheduler").ShouldBe(1);
            shares[0].Count(part => part.Name == "scheduler").ShouldBe(1);
        }, iter: 200);

    [Fact]
    public void A_rank_that_plans_only_for_itself_finds_what_the_plan_for_all_says() =>
        Gen.Select(Gen.Int[0, 1 << 20], Worlds).Sample((seed, world) =>
        {
            IReadOnlyList<RankPart>[] ranks = new SampleJob(seed).Cut(world);
            IReadOnlyList<RankPart>[] together = SampleJob.Shares(world, ranks), alone = SampleJob.Shares(world, ranks, eachAlone: true);
            for (int rank = 0; rank < world.Size; rank++)
            {
                alone[rank].Select(part => part.Name).ShouldBe(together[rank].Select(part => part.Name));
                foreach ((RankPart a, RankPart b) in alone[rank].Zip(together[rank]))
                    StateDigest.Of(a.State).ShouldBe(StateDigest.Of(b.State));
            }
        }, iter: 30);

    [Fact]
    public void The_files_have_the_names_of_the_ranks_that_wrote_them()
    {
        var world = new World(2, 1, 2, 2);
        FilesInMemory files = SampleJob.Save(world, SampleJob.Shares(world, new SampleJob(3).Cut(world)));
        string[] names = [.. files.Files.Keys.Order(StringComparer.Ordinal)];
        names.ShouldBe(
        [
            "model_tp0_pp0.safetensors", "model_tp0_pp0_dp1.safetensors", "model_tp1_pp0.safetensors", "model_tp1_pp0_dp1.safetensors",
            "noise.rank0.json", "noise.rank1.json", "noise.rank2.json", "noise.rank3.json",
            "optimizer_tp0_pp0_zo0.safetensors", "optimizer_tp0_pp0_zo1.safetensors", "optimizer_tp1_pp0_zo0.safetensors", "optimizer_tp1_pp0_zo1.safetensors",
            "random_0.safetensors", "random_1.safetensors", "random_2.safetensors", "random_3.safetensors",
            "sampler_0.json", "sampler_1.json", "scheduler.json",
        ]);
    }

    [Fact]
    public void What_each_rank_has_for_itself_is_found_by_rank()
    {
        var world = new World(2, 1, 2, 1);
        using LoadedCheckpoint checkpoint = Open(SampleJob.Save(world, SampleJob.Shares(world, new SampleJob(1).Cut(world))));
        checkpoint.RanksOf("random").ShouldBe([0, 1, 2, 3]);
        checkpoint.RanksOf("sampler").ShouldBe([0, 1]);
        checkpoint.RanksOf("model").ShouldBeEmpty();
        ((StateTensor)checkpoint.Load("random", 2)["cpu"]).Shape.ShouldBe([3]);
        ((StateScalar)checkpoint.Load("noise", 3)["rank"]).Value.ShouldBe(3L);
        Should.Throw<KeyNotFoundException>(() => checkpoint.Load("random", 4));
    }

    [Fact]
    public void A_random_state_that_all_ranks_share_is_put_together_like_any_other_part()
    {
        var world = new World(1, 1, 2, 1);
        RankPart Random() => new("random", PartScope.Shared, new StateMap { ["cpu"] = TestTensors.Of(TensorType.U8, 50), ["generators"] = new StateMap() });
        // Rank 0 has more to write already, so the tensor falls to rank 1.
        IReadOnlyList<RankPart>[] ranks = [[new("model", PartScope.Shared, new StateMap { ["w"] = TestTensors.Of(TensorType.U8, 100) }), Random()], [Random()]];
        using LoadedCheckpoint checkpoint = Open(SampleJob.Save(world, SampleJob.Shares(world, ranks)));
        checkpoint.RanksOf("random").ShouldBeEmpty();
        StateMap random = checkpoint.Load("random");
        ((StateTensor)random["cpu"]).Bytes().ShouldBe(TestTensors.Of(TensorType.U8, 50).Bytes());
        random["generators"].ShouldBeOfType<StateMap>();
    }

    [Fact]
    public void A_missing_file_leaves_gaps_that_are_named()
    {
        var world = new World(2, 1, 1, 1);
        FilesInMemory files = SampleJob.Save(world, SampleJob.Shares(world, new SampleJob(12).Cut(world)));
        files.Files.Remove("optimizer_tp1_pp0_zo0.safetensors");
        using LoadedCheckpoint checkpoint = Open(files);
        Should.Throw<ShardOwnershipException>(() => checkpoint.Load("optimizer")).Faults.ShouldAllBe(fault => fault.Tensor.StartsWith("optimizer/state/", StringComparison.Ordinal) && fault.Gaps.Count == 1);
        Should.NotThrow(() => checkpoint.Load("model"));
    }

    private static byte[] Loaded(StateTensor saved, StateTensor live) => (live is ShardTensor shard ? saved.Slice(shard.Extent) : saved).Bytes();

    private static LoadedCheckpoint Open(FilesInMemory files) => ((ICheckpointLayout)CairnLayout.Instance).Open(files, "", files.Files.Keys);

    private static long Bytes(StateNode node)
    {
        var seen = new HashSet<StateNode>(ReferenceEqualityComparer.Instance);
        return Visit(node);

        long Visit(StateNode at) => at switch
        {
            StateMap map => map.Values.Sum(Visit),
            StateList list => list.Sum(Visit),
            StateTensor tensor => seen.Add(tensor) ? tensor.ByteLength : 0,
            _ => 0,
        };
    }
}
