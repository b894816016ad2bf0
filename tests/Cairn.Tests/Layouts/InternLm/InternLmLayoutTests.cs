using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Layouts.InternLm;
using Cairn.Opening;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Manager;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Layouts.InternLm;

public class InternLmLayoutTests
{
    static readonly ICheckpointLayout Layout = InternLmLayout.Instance;

    static MemoryTensor Tensor(TensorType type, int seed, params long[] shape)
    {
        byte[] bytes = new byte[type.ByteLength(shape)];
        new Random(seed).NextBytes(bytes);
        return new MemoryTensor(type, shape, bytes);
    }

    static (string, StateMap)[] Parts(TensorType type = TensorType.F32)
    {
        StateMap model = [], state = [];
        MemoryTensor tied = Tensor(type, 1, 5, 4);
        model.Add("tok_embeddings.word_embeddings.weight", tied);
        model.Add("layers.0.norm.weight", Tensor(TensorType.F32, 2, 4));
        model.Add("layers.0.w1.weight", Tensor(type, 3, 6, 4));
        model.Add("layers.0.w2.weight", Tensor(type, 4, 4, 6));
        model.Add("layers.0.empty", Tensor(type, 5, 0, 6));
        model.Add("output.weight", tied);
        model.Add("inv_freq", Tensor(TensorType.F32, 6, 2));
        string[] names = ["tok_embeddings.word_embeddings.weight", "layers.0.norm.weight", "layers.0.w1.weight", "layers.0.w2.weight", "layers.0.empty"];
        foreach (string name in names)
        {
            var weight = (StateTensor)model[name];
            state.Add(name, new StateMap
            {
                { "step", 7L + name.Length },
                { "exp_avg", Tensor(weight.Type, 10, [.. weight.Shape]) },
                { "exp_avg_sq", Tensor(weight.Type, 11, [.. weight.Shape]) },
            });
        }
        ((StateMap)state["layers.0.w1.weight"]).Add("max_exp_avg_sq", Tensor(type, 12, 6, 4));
        StateMap group = new()
        {
            { "lr", 1e-3 }, { "initial_lr", 2e-3 }, { "betas", new StateList([0.9, 0.98]) }, { "amsgrad", false }, { "maximize", StateScalar.Null },
            { "params", new StateList(names.Select(name => (StateNode)name)) },
        };
        return
        [
            ("model", model),
            ("optimizer", new StateMap { { "type", "AdamW" }, { "state", state }, { "groups", new StateList([group]) } }),
            ("scheduler", new StateMap { { "last_epoch", 7L }, { "base_lrs", new StateList([2e-3]) } }),
            ("sampler", new StateMap { { "position", 12L } }),
            ("scaler", new StateMap { { "scale", 1024.0 }, { "growth_tracker", 3L } }),
            ("random", new StateMap { { "cpu", Tensor(TensorType.U8, 9, 5056) } }),
            ("mine", new StateMap { { "deep", new StateList([new StateMap { { "12", double.NaN }, { "text", "日本" } }, StateScalar.Null, true]) } }),
            ("context", new StateMap { { "step_count", 7L }, { "values", new StateMap { { "model_config", new StateMap { { "hidden_size", 4L } } }, { "config_file", "model = 1\n" } } } }),
        ];
    }

    [Theory, InlineData(TensorType.F32), InlineData(TensorType.BF16)]
    public void Every_part_comes_back_to_the_bit(TensorType type)
    {
        (string Part, StateMap State)[] parts = Parts(type);
        IReadOnlyList<PlannedFile> plan = Layout.Plan(7, parts);
        var files = new SimulatedFileSystem();
        Write(files, plan);

        using LoadedCheckpoint loaded = Layout.Open(files, "", plan.Select(file => file.Name));
        loaded.Parts.ShouldBe(parts.Select(part => part.Part));
        foreach ((string part, StateMap state) in parts)
            StateDigest.Of([new Fixed(part, loaded.Load(part))]).ShouldBe(StateDigest.Of([new Fixed(part, state)]), part);
        StateMap model = loaded.Load("model");
        model["output.weight"].ShouldBeSameAs(model["tok_embeddings.word_embeddings.weight"]);
        plan.ShouldAllBe(file => files.List("").Single(entry => entry.Name == file.Name).Length == file.Length);
    }

    [Fact]
    public void The_files_are_InternLMs_and_its_marker_is_the_last()
    {
        IReadOnlyList<PlannedFile> plan = Layout.Plan(7, Parts());
        plan.Select(file => file.Name).ShouldBe(
        [
            "model_tp0_pp0.pt", "optimizer_tp0_pp0_zo0.pt", "schedulder.pt", "cairn_scheduler.pt", "sampler.pt", "cairn_sampler.pt", "cairn_scaler.pt", "random_0.pt",
            "cairn_mine.pt", "context.pt",
            "topo_tp0_pp0.json", "gpus-1_wp-0_tp-0_dp-0_pp-0_zo-0.pt", "model_config.pt", "config_file.pt", "cairn.pt", "7.step",
        ]);
        // Its loader reads coordinates out of all names that begin like these.
        plan.Where(file => file.Name.StartsWith("model_t", StringComparison.Ordinal)).Select(file => file.Name).ShouldBe(["model_tp0_pp0.pt"]);
        plan.Where(file => file.Name.StartsWith("optimizer_", StringComparison.Ordinal)).ShouldHaveSingleItem();
        ((ICheckpointLayout)Layout).MarkerName(7).ShouldBe("cairn.json");
    }

    [Fact]
    public void A_part_of_a_users_own_cannot_be_taken_for_a_file_of_InternLM()
    {
        foreach (string part in (string[])["model_teacher", "optimizer_x", "state", "model_config", "context2"])
        {
            string name = Layout.Plan(1, [(part, new StateMap { { "a", 1L } })])[0].Name;
            name.ShouldBe($"cairn_{part}.pt");
            InternLmFileName.TryParse(name, out _).ShouldBeFalse();
        }
        Should.Throw<ArgumentException>(() => Layout.Plan(1, [("model", new StateMap()), ("model", new StateMap())]));
        Should.Throw<ArgumentException>(() => Layout.CheckPart("Model"));
    }

    [Fact]
    public void An_optimizer_over_parameters_that_the_model_lacks_is_kept_whole()
    {
        (string, StateMap)[] parts = [.. Parts().Skip(1).Take(1)];
        IReadOnlyList<PlannedFile> plan = Layout.Plan(7, parts);
        plan[0].Name.ShouldBe("cairn_optimizer.pt");
        var files = new SimulatedFileSystem();
        Write(files, plan);
        using LoadedCheckpoint loaded = Layout.Open(files, "", plan.Select(file => file.Name));
        StateDigest.Of([new Fixed("optimizer", loaded.Load("optimizer"))]).ShouldBe(StateDigest.Of([new Fixed("optimizer", parts[0].Item2)]));
    }

    [Fact]
    public async Task A_run_that_changes_its_layout_resumes_from_the_copies_of_the_other_one()
    {
        var files = new SimulatedFileSystem();
        float value = 0;
        string[] layouts = ["cairn", "internlm", "internlm", "cairn"];
        for (int start = 0; start < layouts.Length; start++)
        {
            var training = new SampleTraining();
            await using CheckpointManager checkpoints = training.Start(files, new CheckpointOptions { Folder = "run", Layout = layouts[start], CheckpointEvery = 5, SnapshotEvery = 2, HandleSignals = false, Asynchronous = false });
            checkpoints.Resume.Step.ShouldBe(start * 10);
            if (start > 0)
                training.Weights.Value.ShouldBe(value);
            for (int i = 0; i < 10; i++)
            {
                training.Batch();
                checkpoints.AfterBatch();
            }
            value = training.Weights.Value;
            checkpoints.Complete();
        }
        Catalog.Read(files).Entries.Where(entry => entry.Kind == Cairn.Policies.SaveKind.Checkpoint).OrderBy(entry => entry.Step).Select(entry => entry.Marker?.Layout)
            .ShouldBe(["cairn", "cairn", "internlm", "internlm", "internlm", "internlm", "cairn", "cairn"]);
        files.FileExists("20/20.step").ShouldBeTrue();
        files.FileExists("20/cairn.json").ShouldBeTrue();
        files.FileExists("40/cairn.json").ShouldBeFalse();
    }

    [Theory]
    [InlineData("../model_tp0_pp0.pt")]
    [InlineData("/etc/passwd")]
    [InlineData("a\\b")]
    [InlineData("..")]
    [InlineData("")]
    public void An_index_that_leads_out_of_the_folder_is_refused(string place)
    {
        var files = new SimulatedFileSystem();
        TorchMap index = new() { ["format"] = 1L, ["parts"] = new TorchList(TorchListKind.List, ["model"]), ["files"] = new TorchMap { ["model"] = place } };
        Write(files, [new PlannedFile("", "cairn.pt", TorchFileWriter.Plan(index, "cairn"))]);
        Should.Throw<CorruptCheckpointException>(() => Layout.Open(files, "", ["cairn.pt"])).Message.ShouldContain("a part has no file");
    }

    [Theory]
    [InlineData(0L, 40L)]
    [InlineData(-1L, 4L)]
    [InlineData(5L, 0x7fffffffffffffffL)]
    [InlineData(5L, -3L)]
    public void An_index_that_claims_more_than_a_flattened_tensor_has_is_refused(long offset, long size)
    {
        var files = new SimulatedFileSystem();
        TorchMap index = new()
        {
            ["format"] = 1L,
            ["parts"] = new TorchList(TorchListKind.List, ["optimizer"]),
            ["files"] = new TorchMap { ["optimizer"] = "o.pt" },
            ["optimizer"] = new TorchMap { ["state"] = new TorchMap { ["w"] = new TorchMap { ["exp_avg"] = new TorchList(TorchListKind.Tuple, [0L, offset, new TorchList(TorchListKind.List, [size])]) } } },
        };
        TorchMap flats = new() { ["base_optim_states"] = new TorchMap { ["state"] = new TorchMap { [0L] = new TorchMap { ["exp_avg"] = new TorchTensorValue(Tensor(TensorType.F32, 1, 8)) } } } };
        Write(files, [new PlannedFile("", "cairn.pt", TorchFileWriter.Plan(index, "cairn")), new PlannedFile("", "o.pt", TorchFileWriter.Plan(flats, "o"))]);
        using LoadedCheckpoint loaded = Layout.Open(files, "", ["cairn.pt"]);
        Should.Throw<CorruptCheckpointException>(() => loaded.Load("optimizer"));
    }

    static void Write(IFileSystem files, IReadOnlyList<PlannedFile> plan)
    {
        foreach (PlannedFile planned in plan)
            FilesWriter.Write([new FileToWrite(planned.Name, planned.Content, () => files.OpenWrite(planned.Name, planned.Length))], _ => { }, TestContext.Current.CancellationToken);
    }

    sealed class Fixed(string name, StateMap state) : IStatePart
    {
        public string Name => name;
        public StateMap Capture() => state;
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) { }
    }
}
