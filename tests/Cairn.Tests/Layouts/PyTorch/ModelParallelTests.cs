using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Layouts.PyTorch.ModelParallel;
using Cairn.Opening;
using Cairn.State;
using Cairn.Tests.Formats;

namespace Cairn.Tests.Layouts.PyTorch;

/// <summary>What several model-parallel ranks of Megatron-LM and DeepSpeed leave, and what cannot be put together.</summary>
public sealed class ModelParallelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_no_name_tells_is_refused_by_name_and_each_rank_can_be_looked_at()
    {
        Megatron("mp_rank_00", new() { ["mixer.in_proj.weight"] = Tensor(1), ["mixer.alike"] = Tensor(3) });
        Megatron("mp_rank_01", new() { ["mixer.in_proj.weight"] = Tensor(2), ["mixer.alike"] = Tensor(3) });
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder["iter_0000500"]);
        loaded.RanksOf("model").ShouldBe([0, 1]);
        ((StateTensor)loaded.Load("model", 1)["mixer.in_proj.weight"]).Bytes().ShouldBe(Values(2));
        Should.Throw<CheckpointException>(() => loaded.Load("model")).Message.ShouldContain("'mixer.in_proj.weight'");
        loaded.Notes.ShouldContain(note => note.Contains("'mixer.in_proj.weight'", StringComparison.Ordinal));
        loaded.Source!.Step.ShouldBe(500);
    }

    [Fact]
    public void What_all_ranks_have_alike_is_the_whole_of_it()
    {
        Megatron("mp_rank_00", new() { ["odd"] = Tensor(3) });
        Megatron("mp_rank_01", new() { ["odd"] = Tensor(3) });
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder["iter_0000500"]);
        ((StateTensor)loaded.Load("model")["odd"]).Bytes().ShouldBe(Values(3));
        loaded.Notes.ShouldContain(note => note.Contains("the name does not tell: odd", StringComparison.Ordinal));
    }

    [Fact]
    public void An_optimizer_that_goes_by_numbers_is_each_ranks_own()
    {
        foreach (string rank in (string[])["mp_rank_00_000", "mp_rank_00_001"])
            Megatron(rank, new() { ["decoder.layers.0.input_layernorm.weight"] = Tensor(rank[^1]) }, new TorchMap { ["state"] = new TorchMap(), ["param_groups"] = new TorchList(TorchListKind.List) });
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder["iter_0000500"]);
        loaded.Load("model").Keys.ShouldBe(["decoder.layers.0.input_layernorm.weight", "decoder.layers.1.input_layernorm.weight"]);
        loaded.RanksOf("optimizer").ShouldBe([0, 1]);
        loaded.Load("optimizer", 0).ContainsKey("state").ShouldBeTrue();
        Should.Throw<CheckpointException>(() => loaded.Load("optimizer")).Message.ShouldContain("--part model");
    }

    [Fact]
    public void Experts_of_expert_parallel_ranks_are_numbered_on()
    {
        var arguments = new TorchMap { ["pipeline_model_parallel_size"] = 1L, ["expert_model_parallel_size"] = 2L };
        foreach (int rank in (int[])[0, 1])
            Megatron($"mp_rank_00_00{rank}", new() { ["mlp.experts.linear_fc1.weight0"] = Tensor(rank), ["mlp.router.weight"] = Tensor(9) }, arguments: arguments);
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder["iter_0000500"]);
        StateMap model = loaded.Load("model");
        model.Keys.ShouldBe(["mlp.experts.linear_fc1.weight0", "mlp.experts.linear_fc1.weight1", "mlp.router.weight"]);
        ((StateTensor)model["mlp.experts.linear_fc1.weight1"]).Bytes().ShouldBe(Values(1));
    }

    [Fact]
    public void Files_that_do_not_belong_together_are_named()
    {
        Megatron("mp_rank_00_000", new() { ["a"] = Tensor(1) });
        Megatron("mp_rank_01_001", new() { ["a"] = Tensor(1) });
        Should.Throw<CorruptCheckpointException>(() => CheckpointReader.Open(_folder["iter_0000500"])).Message.ShouldContain("tensor-parallel rank 0, stage 1 is missing");
        Directory.Delete(_folder["iter_0000500"], recursive: true);
        Megatron("mp_rank_00", new() { ["a"] = Tensor(1) });
        Megatron("mp_rank_01", new() { ["a"] = Tensor(1) }, iteration: 400);
        Should.Throw<CorruptCheckpointException>(() => CheckpointReader.Open(_folder["iter_0000500"])).Message.ShouldContain("of iteration 400");
        Megatron("mp_rank_01", new() { ["b"] = Tensor(1) });
        Should.Throw<CorruptCheckpointException>(() => CheckpointReader.Open(_folder["iter_0000500"])).Message.ShouldContain("rank 1 has no 'a'");
    }

    [Fact]
    public void A_step_of_one_rank_of_several_is_not_whole()
    {
        Megatron("mp_rank_01", new() { ["a"] = Tensor(1) });
        Should.Throw<CorruptCheckpointException>(() => CheckpointReader.Open(_folder["iter_0000500"])).Message.ShouldContain("tensor-parallel rank 0, stage 0 is missing");
    }

    [Theory]
    [InlineData("decoder.layers.0.self_attention.linear_qkv.weight", 0, 1)]
    [InlineData("language_model.encoder.layers.0.self_attention.dense.weight", 1, 1)]
    [InlineData("language_model.pooler.dense.weight", null, 0)]
    [InlineData("decoder.layers.0.mlp.linear_fc1.weight", 0, 2)]
    [InlineData("decoder.layers.1.mlp.linear_fc1.weight", 0, 1)]
    [InlineData("decoder.layers.2.mlp.linear_fc1.weight", null, 0)]
    [InlineData("decoder.layers.0.mlp.experts.linear_fc1.weight3", 0, 2)]
    [InlineData("decoder.layers.0.mlp.experts.weight1", null, 0)]
    [InlineData("decoder.layers.0.mixer.norm.weight", null, 0)]
    public void How_ranks_share_a_tensor_stands_in_its_name_and_the_shapes_beside_it(string name, int? dimension, int parts)
    {
        var shapes = new Dictionary<string, IReadOnlyList<long>>(StringComparer.Ordinal)
        {
            ["decoder.layers.0.mlp.linear_fc1.weight"] = [12, 8], ["decoder.layers.0.mlp.linear_fc2.weight"] = [8, 6],
            ["decoder.layers.1.mlp.linear_fc1.weight"] = [6, 8], ["decoder.layers.1.mlp.linear_fc2.weight"] = [8, 6],
            ["decoder.layers.2.mlp.linear_fc1.weight"] = [7, 8], ["decoder.layers.2.mlp.linear_fc2.weight"] = [8, 6],
            ["decoder.layers.0.mlp.experts.linear_fc1.weight3"] = [12, 8], ["decoder.layers.0.mlp.experts.linear_fc2.weight3"] = [8, 6],
        };
        MegatronNames.CutOf(name, shapes).ShouldBe(parts == 0 ? null : new TensorCut(dimension, parts));
    }

    [Fact]
    public void Before_version_1_queries_keys_and_values_of_each_rank_stand_apart()
    {
        StateTensor[] pieces = [Rows(0, 3), Rows(3, 6)];
        TensorCut cut = MegatronNames.CutOf("layers.0.attention.query_key_value.weight", new Dictionary<string, IReadOnlyList<long>>(StringComparer.Ordinal), areQkvApart: true).ShouldNotBeNull();
        cut.Join(pieces).Bytes().ShouldBe([0, 3, 1, 4, 2, 5]);

        static MemoryTensor Rows(byte from, byte to) => new(TensorType.U8, [3, 1], Enumerable.Range(from, to - from).Select(value => (byte)value).ToArray());
    }

    [Fact]
    public void A_pattern_of_DeepSpeed_that_is_not_understood_makes_no_name_safe()
    {
        StateMap info = new() { ["parameter_with_sub_params"] = new StateList([new StateMap { ["class"] = "elsewhere" }]) };
        UniversalPatterns.In(new StateMap { [UniversalPatterns.Key] = info }).ShouldNotBeNull().CutOf("a").ShouldBeNull();
        info = new() { ["tp_replicated_parameter_patterns"] = new StateList(["(a+)+$"]) };
        UniversalPatterns.In(new StateMap { [UniversalPatterns.Key] = info }).ShouldNotBeNull().CutOf(new string('a', 5000) + "b").ShouldBe(TensorCut.Along(0));
        info = new() { ["tp_replicated_parameter_patterns"] = new StateList(["("]) };
        Should.Throw<CorruptCheckpointException>(() => UniversalPatterns.In(new StateMap { [UniversalPatterns.Key] = info })).Message.ShouldContain("pattern that cannot be matched");
    }

    private void Megatron(string rank, TorchMap model, TorchMap? optimizer = null, TorchMap? arguments = null, long iteration = 500)
    {
        var root = new TorchMap { ["model"] = model, ["iteration"] = iteration, ["checkpoint_version"] = 3.0 };
        if (optimizer is not null)
            root["optimizer"] = optimizer;
        if (arguments is not null)
            root["args"] = arguments;
        string path = _folder[$"iter_0000500/{rank}/model_optim_rng.pt"];
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, TestTensors.Written(TorchFileWriter.Plan(root, "archive").WriteTo));
    }

    private static TorchTensorValue Tensor(int value) => new(new MemoryTensor(TensorType.U8, [2, 2], Values(value)));

    private static byte[] Values(int value) => [(byte)value, 1, 2, 3];
}
