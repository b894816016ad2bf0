using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.State;
using Cairn.Tests.Formats;

namespace Cairn.Tests.Layouts;

/// <summary>What training does not change stands in a file of its own.</summary>
public class FrozenSplitTests
{
    static StateTensor Frozen(int seed) => new MemoryTensor(TensorType.U8, [FrozenSplit.LeastBytes], Enumerable.Range(0, (int)FrozenSplit.LeastBytes).Select(i => (byte)(i * seed)).ToArray()) { IsFrozen = true };

    static IReadOnlyList<PlannedFile> Plan(StateMap state, string part = "model", PartScope scope = PartScope.Shared) => CairnLayout.Plan([new RankPart(part, scope, state)], World.Single, 0, new PlanMemory(splitsFrozen: true));

    [Fact]
    public void The_part_is_read_in_its_order_with_its_ties()
    {
        StateTensor tied = Frozen(3);
        StateMap state = new() { ["b"] = Frozen(5), ["a"] = TestTensors.Of(TensorType.F32, 2), ["c/x"] = tied, ["scale"] = 0.5, ["d"] = tied, ["inner"] = new StateMap { ["w"] = TestTensors.Of(TensorType.F32, 1) } };
        IReadOnlyList<PlannedFile> files = Plan(state);
        files.Select(file => file.Name).ShouldBe(["model_tp0_pp0.safetensors", "model_frozen_tp0_pp0.safetensors"]);
        files[1].Tensors.Select(tensor => tensor.Name).ShouldBe(["b", "c~1x"]);
        var written = new FilesInMemory();
        foreach (PlannedFile file in files)
            written.Files[file.Name] = TestTensors.Written(file.WriteTo);
        using LoadedCheckpoint loaded = ((ICheckpointLayout)CairnLayout.Instance).Open(written, "", written.Files.Keys);
        loaded.Parts.ShouldBe(["model"]);
        StateMap read = loaded.Load("model");
        read.Keys.ShouldBe(state.Keys);
        read["c/x"].ShouldBeSameAs(read["d"]);
        foreach (string key in (string[])["a", "b", "d"])
            TensorBytes.AreSame((StateTensor)read[key], (StateTensor)state[key]).ShouldBeTrue(key);
        ((StateScalar)read["scale"]).Value.ShouldBe(0.5);

        written.Files.Remove("model_frozen_tp0_pp0.safetensors");
        using LoadedCheckpoint half = ((ICheckpointLayout)CairnLayout.Instance).Open(written, "", written.Files.Keys);
        Should.Throw<CorruptCheckpointException>(() => half.Load("model")).Message.ShouldContain("'b' stands in none of them");
    }

    [Fact]
    public void Little_and_all_are_not_split_nor_what_each_rank_has_for_itself()
    {
        StateMap little = new() { ["w"] = TestTensors.Of(TensorType.F32, 1), ["f"] = new MemoryTensor(TensorType.U8, [4], new byte[4]) { IsFrozen = true } };
        Plan(little).ShouldHaveSingleItem();
        Plan(new StateMap { ["f"] = Frozen(1) }).ShouldHaveSingleItem().Name.ShouldBe("model_tp0_pp0.safetensors");
        StateMap both = new() { ["w"] = TestTensors.Of(TensorType.F32, 1), ["f"] = Frozen(1) };
        Plan(both).Count.ShouldBe(2);
        Plan(both, "noise", PartScope.PerRank).ShouldHaveSingleItem();
        Plan(both, "optimizer").ShouldHaveSingleItem("it has other tensors at each step");
        CairnLayout.Plan([new RankPart("model", PartScope.Shared, both)], World.Single, 0).ShouldHaveSingleItem("nobody asked for it");
    }

    [Fact]
    public void Each_rank_has_a_name_of_its_own_for_it_that_is_no_other_parts()
    {
        var world = new World(2, 2, 2, 2);
        StateMap both = new() { ["w"] = TestTensors.Of(TensorType.F32, 1), ["f"] = Frozen(1) };
        var writers = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int rank = 0; rank < world.Size; rank++)
        {
            foreach (PlannedFile file in CairnLayout.Plan([new RankPart("model", PartScope.Shared, both), new RankPart("ema", PartScope.Shared, both)], world, rank, new PlanMemory(splitsFrozen: true)))
            {
                writers.TryAdd(file.Name, rank).ShouldBeTrue(file.Name);
                CairnLayout.PartOf(file.Name).ShouldBe(file.Part);
            }
        }
        writers.Count.ShouldBe(4 * world.Size);
        IReadOnlyDictionary<string, int> known = CairnLayout.Writers(writers.Keys, world);
        foreach ((string name, int rank) in writers)
            known[name].ShouldBe(rank, name);
        Should.Throw<ArgumentException>(() => CairnLayout.StemOf("model_frozen_tp0_pp0"));
        CairnLayout.PartOf("model_frozen.safetensors").ShouldBe("model_frozen");
    }
}
