using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.State;
using Cairn.Tests.Formats;

namespace Cairn.Tests.Layouts.PyTorch;

/// <summary>What jobs with DeepSpeed's ZeRO leave: files as its code writes them, of parameters whose every element is known.</summary>
public sealed class ZeroStatesTests : IDisposable
{
    private const string Step = "global_step3";

    // Two groups, as with and without weight decay; sizes that no number of ranks divides.
    private static readonly (string Name, long[] Shape)[][] Groups = [[("emb.weight", [11, 6]), ("a.weight", [7, 6]), ("b.weight", [5, 7])], [("a.bias", [7]), ("norm.bias", [1])]];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory, InlineData(2, 1), InlineData(2, 2), InlineData(2, 3), InlineData(3, 1), InlineData(3, 2), InlineData(3, 3)]
    public void The_weights_as_they_were_trained_and_the_optimizers_state_are_put_together_by_name(int stage, int ranks)
    {
        Save(stage, ranks);
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder.Path);
        loaded.Source!.Layout.ShouldBe("deepspeed");
        loaded.Source.Step.ShouldBe(3);
        loaded.Parts.ShouldBe(["model", "optimizer", "context"], ignoreOrder: true);
        StateMap model = loaded.Load("model"), optimizer = loaded.Load("optimizer"), state = (StateMap)optimizer["state"];
        model.Keys.ShouldBe(["tied", "emb.weight", "a.weight", "a.bias", "norm.bias", "norm.running_mean", "b.weight", "frozen"], ignoreOrder: true);
        foreach ((string name, long[] shape) in Groups.SelectMany(group => group))
        {
            ShouldBe((StateTensor)model[name], name, 0, shape);
            StateMap of = (StateMap)state[name];
            of.Keys.ShouldBe(["step", "exp_avg", "exp_avg_sq"]);
            ((StateScalar)of["step"]).Value.ShouldBe(3.0);
            ShouldBe((StateTensor)of["exp_avg"], name, 1, shape);
            ShouldBe((StateTensor)of["exp_avg_sq"], name, 2, shape);
        }
        ((StateTensor)model["tied"]).Bytes().ShouldBe(((StateTensor)model["emb.weight"]).Bytes());
        ShouldBe((StateTensor)model["frozen"], "frozen", 0, [3, 5]);
        ((StateTensor)model["norm.running_mean"]).Shape.ShouldBe([7]);
        StateList groups = (StateList)optimizer["param_groups"];
        groups.Cast<StateMap>().Select(group => (((StateScalar)group["weight_decay"]).Value, ((StateList)group["params"]).Select(name => ((StateScalar)name).Value))).Select(group => (group.Value, string.Join(' ', group.Item2)))
            .ShouldBe([(0.1, "emb.weight a.weight b.weight"), (0.0, "a.bias norm.bias")]);
        loaded.FilesOf("optimizer").Count.ShouldBe((stage == 3 ? ranks : 1) + ranks);
    }

    [Fact]
    public void A_file_of_a_rank_that_is_missing_is_named_and_nothing_is_made_of_the_others()
    {
        Save(stage: 2, ranks: 3);
        File.Delete(_folder[$"{Step}/zero_pp_rank_2_mp_rank_00_optim_states.pt"]);
        Should.Throw<CorruptCheckpointException>(() => CheckpointReader.Open(_folder.Path)).Message.ShouldContain("3 ranks shared the optimizer");
        Save(stage: 2, ranks: 3);
        File.Move(_folder[$"{Step}/zero_pp_rank_1_mp_rank_00_optim_states.pt"], _folder[$"{Step}/zero_pp_rank_3_mp_rank_00_optim_states.pt"]);
        Should.Throw<CorruptCheckpointException>(() => CheckpointReader.Open(_folder.Path)).Message.ShouldContain("The optimizer's file of rank 1 is missing");
    }

    [Theory, InlineData(2), InlineData(3)]
    public void Files_of_two_saves_and_of_other_ranks_are_not_put_together(int stage)
    {
        Save(stage, ranks: 2);
        string second = _folder[$"{Step}/zero_pp_rank_1_mp_rank_00_optim_states.pt"];
        foreach ((Action<TorchMap> change, string said) in new (Action<TorchMap>, string)[]
        {
            (state => state["step"] = new TorchScalar(2.0), "another 'step'"),
            (state => state["max_exp_avg_sq"] = state["exp_avg_sq"], "rank 1 has step, exp_avg, exp_avg_sq, max_exp_avg_sq of group 0, and rank 0 has step, exp_avg, exp_avg_sq"),
        })
        {
            TorchMap own = stage == 3 ? Stage3(2, 1) : Stage2(2, 1);
            change((TorchMap)((TorchMap)((TorchMap)own[stage == 3 ? "optimizer_state_dict" : "base_optimizer_state"])["state"])[0]);
            Save(second, new TorchMap { ["optimizer_state_dict"] = own });
            Should.Throw<CorruptCheckpointException>(() => CheckpointReader.Open(_folder.Path)).Message.ShouldContain(said);
        }
        if (stage == 3)
            return;
        // Where each file says what it is of, another rank's is found out.
        foreach (int rank in (int[])[0, 1])
        {
            TorchMap own = Stage2(2, 1 - rank);
            own["param_slice_mappings"] = new TorchList(TorchListKind.List, [Mapping(rank == 1 ? ["emb.weight"] : ["emb.weight", "a.weight", "b.weight"]), Mapping(rank == 1 ? ["a.bias"] : ["a.bias", "norm.bias"])]);
            Save(_folder[$"{Step}/zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"], new TorchMap { ["optimizer_state_dict"] = own });
        }
        Should.Throw<CorruptCheckpointException>(() => CheckpointReader.Open(_folder.Path)).Message.ShouldContain("another rank's");
    }

    private static TorchMap Mapping(string[] names)
    {
        TorchMap mapping = new();
        foreach (string name in names)
            mapping[name] = new TorchList(TorchListKind.Tuple, [0, 1]);
        return mapping;
    }

    [Theory, InlineData(2), InlineData(3)]
    public void Files_of_another_model_are_refused(int stage)
    {
        Save(stage, ranks: 2);
        string name = _folder[$"{Step}/{(stage == 3 ? "zero_pp_rank_0_" : "")}mp_rank_00_model_states.pt"];
        foreach (long rows in (long[])[10, 16])
        {
            Save(name, Model(stage, 2, 0, [[("emb.weight", [rows, 6]), .. Groups[0][1..]], Groups[1]]));
            Should.Throw<CorruptCheckpointException>(() => CheckpointReader.Open(_folder.Path)).Message.ShouldContain("cannot be put together", customMessage: $"{rows} rows");
        }
    }

    private void Save(int stage, int ranks)
    {
        File.WriteAllText(_folder["latest"], Step);
        for (int rank = 0; rank < ranks; rank++)
        {
            if (stage == 3 || rank == 0)
                Save(_folder[$"{Step}/{(stage == 3 ? $"zero_pp_rank_{rank}_" : "")}mp_rank_00_model_states.pt"], Model(stage, ranks, rank, Groups));
            Save(_folder[$"{Step}/zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"], new TorchMap { ["optimizer_state_dict"] = stage == 3 ? Stage3(ranks, rank) : Stage2(ranks, rank), ["ds_version"] = "0.19.6" });
        }
    }

    private static TorchMap Model(int stage, int ranks, int rank, (string Name, long[] Shape)[][] groups)
    {
        var shapes = new TorchList(TorchListKind.List);
        foreach ((string Name, long[] Shape)[] group in groups)
        {
            TorchMap of = new();
            foreach ((string name, long[] shape) in group)
                of[name] = Size(shape);
            shapes.Add(of);
        }
        TorchMap module = new() { ["tied"] = Half([11, 6]) };
        foreach ((string name, long[] shape) in Groups.SelectMany(group => group))
            module[name] = stage == 3 ? Float([]) : Half(shape);
        module["norm.running_mean"] = Half([7]);
        // What is not trained is whole in the model, or each rank has a piece of it.
        float[] frozen = Values("frozen", 0, 15);
        module["frozen"] = stage == 3 ? Float([]) : Float(frozen, [3, 5]);
        int piece = (frozen.Length + ranks - 1) / ranks;
        return new TorchMap
        {
            ["module"] = module,
            ["buffer_names"] = new TorchList(TorchListKind.List, ["norm.running_mean"]),
            ["optimizer"] = TorchScalar.None,
            ["param_shapes"] = shapes,
            ["frozen_param_shapes"] = new TorchMap { ["frozen"] = Size([3, 5]) },
            ["frozen_param_fragments"] = new TorchMap { ["frozen"] = Float([.. Enumerable.Range(rank * piece, piece).Select(i => i < frozen.Length ? frozen[i] : 0)]) },
            ["shared_params"] = new TorchMap { ["tied"] = "emb.weight" },
            ["global_steps"] = new TorchScalar(3L),
        };
    }

    // Each group flattened, filled up for all ranks, and cut; the weights without what filled them up.
    private static TorchMap Stage2(int ranks, int rank)
    {
        TorchMap states = new();
        TorchList pieces = new(TorchListKind.List), options = new(TorchListKind.List);
        for (int g = 0; g < Groups.Length; g++)
        {
            float[][] flat = [.. Enumerable.Range(0, 3).Select(field => Groups[g].SelectMany(parameter => Values(parameter.Name, field, Count(parameter.Shape))).ToArray())];
            int blocks = 2 * ranks, whole = (flat[0].Length + blocks - 1) / blocks * blocks, piece = whole / ranks;
            float[] Piece(int field) => [.. Enumerable.Range(rank * piece, piece).Select(i => i < flat[field].Length ? flat[field][i] : 0)];
            pieces.Add(Float(Piece(0)[..Math.Max(0, rank == ranks - 1 ? piece - (whole - flat[0].Length) : piece)]));
            states[g] = new TorchMap { ["step"] = new TorchScalar(3.0), ["exp_avg"] = Float(Piece(1)), ["exp_avg_sq"] = Float(Piece(2)) };
            options.Add(Options(g, new TorchList(TorchListKind.List, [g])));
        }
        return new TorchMap { ["single_partition_of_fp32_groups"] = pieces, ["partition_count"] = new TorchList(TorchListKind.List, [ranks, ranks]), ["base_optimizer_state"] = new TorchMap { ["state"] = states, ["param_groups"] = options } };
    }

    // Each parameter cut, and the pieces of a rank one behind the other.
    private static TorchMap Stage3(int ranks, int rank)
    {
        TorchMap states = new();
        TorchList pieces = new(TorchListKind.List), options = new(TorchListKind.List);
        for (int g = 0; g < Groups.Length; g++)
        {
            float[] Flat(int field) => [.. Groups[g].SelectMany(parameter =>
            {
                float[] values = Values(parameter.Name, field, Count(parameter.Shape));
                int piece = (values.Length + ranks - 1) / ranks;
                return Enumerable.Range(rank * piece, piece).Select(i => i < values.Length ? values[i] : 0);
            })];
            pieces.Add(Float(Flat(0)));
            states[g] = new TorchMap { ["step"] = new TorchScalar(3.0), ["exp_avg"] = Float(Flat(1)), ["exp_avg_sq"] = Float(Flat(2)) };
            options.Add(Options(g, new TorchList(TorchListKind.List, [g])));
        }
        return new TorchMap { ["fp32_flat_groups"] = pieces, ["partition_count"] = ranks, ["optimizer_state_dict"] = new TorchMap { ["state"] = states, ["param_groups"] = options } };
    }

    private static TorchMap Options(int group, TorchList parameters) => new() { ["lr"] = new TorchScalar(1e-3), ["weight_decay"] = new TorchScalar(group == 0 ? 0.1 : 0.0), ["params"] = parameters };

    private static void ShouldBe(StateTensor tensor, string name, int field, long[] shape)
    {
        tensor.Type.ShouldBe(TensorType.F32);
        tensor.Shape.ShouldBe(shape, name);
        System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(tensor.Bytes()).ToArray().ShouldBe(Values(name, field, Count(shape)), name);
    }

    // A value of its own for each element of each field of each parameter.
    private static float[] Values(string name, int field, int count) => [.. Enumerable.Range(0, count).Select(i => (name.Sum(letter => letter) * 1000) + (field * 100_000_000f) + i)];

    private static int Count(long[] shape) => (int)shape.Aggregate(1L, (product, size) => product * size);

    private static TorchList Size(long[] shape) => new(TorchListKind.Size, shape.Select(size => (TorchValue)size));

    private static TorchTensorValue Half(long[] shape) => new(TestTensors.Of(TensorType.BF16, shape));

    private static TorchTensorValue Float(float[] values, long[]? shape = null) => new(new MemoryTensor(TensorType.F32, shape ?? [values.Length], System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()).ToArray()));

    private static void Save(string path, TorchMap root)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, TestTensors.Written(TorchFileWriter.Plan(root, "archive").WriteTo));
    }
}
