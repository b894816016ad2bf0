using Cairn.Formats.Safetensors;
using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Layouts.HuggingFace;
using Cairn.Opening;
using Cairn.State;
using Cairn.Tests.Formats;

namespace Cairn.Tests.Layouts.HuggingFace;

/// <summary>What transformers' Trainer and accelerate save beside the weights.</summary>
public sealed class TrainerStatesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Each_file_beside_the_weights_is_a_part_and_the_step_is_what_the_trainer_says()
    {
        Weights();
        State("optimizer.pt", "lr", 1);
        State("scheduler.pt", "last_epoch", 500);
        State("rng_state.pth", "cpu", 7);
        File.WriteAllText(_folder["trainer_state.json"], """{"global_step": 500, "epoch": 1.5}""");
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder.Path);
        loaded.Parts.ShouldBe(["model", "optimizer", "scheduler", "random"]);
        loaded.Source!.Step.ShouldBe(500);
        loaded.FilesOf("optimizer").ShouldBe(["optimizer.pt"]);
        Value(loaded.Load("scheduler"), "last_epoch").ShouldBe(500);
        loaded.RanksOf("random").ShouldBeEmpty();
        Should.Throw<KeyNotFoundException>(() => loaded.Load("sampler")).Message.ShouldContain("model, optimizer, scheduler, random");
    }

    [Fact]
    public void Each_rank_has_a_random_state_of_its_own_and_further_optimizers_are_parts()
    {
        Weights();
        State("optimizer.bin", "lr", 1);
        State("optimizer_1.bin", "lr", 2);
        State("sampler.bin", "position", 3);
        for (int rank = 0; rank < 3; rank++)
            State($"random_states_{rank}.pkl", "seed", 40 + rank);
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder.Path);
        loaded.Parts.ShouldBe(["model", "optimizer", "optimizer_1", "sampler", "random"]);
        loaded.RanksOf("random").ShouldBe([0, 1, 2]);
        Value(loaded.Load("random", 2), "seed").ShouldBe(42);
        Value(loaded.Load("random"), "seed").ShouldBe(40);
        Value(loaded.Load("optimizer_1"), "lr").ShouldBe(2);
        Should.Throw<KeyNotFoundException>(() => loaded.Load("random", 3));
    }

    [Fact]
    public void The_random_state_of_one_process_and_those_of_ranks_do_not_hide_each_other()
    {
        Weights();
        State("rng_state.pth", "seed", 1);
        State("rng_state_0.pth", "seed", 2);
        State("rng_state_1.pth", "seed", 3);
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder.Path);
        loaded.Parts.ShouldBe(["model", "random", "random_alone"]);
        loaded.RanksOf("random").ShouldBe([0, 1]);
        Value(loaded.Load("random", 1), "seed").ShouldBe(3);
        Value(loaded.Load("random_alone"), "seed").ShouldBe(1);
    }

    [Fact]
    public void A_file_whose_part_another_one_has_is_named()
    {
        Weights();
        State("optimizer.bin", "lr", 1);
        State("optimizer.pt", "lr", 2);
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder.Path);
        Value(loaded.Load("optimizer"), "lr").ShouldBe(2);
        loaded.Notes.ShouldHaveSingleItem().ShouldContain("another file holds the same part: optimizer.bin");
        loaded.Disagreements.ShouldBe(loaded.Notes);
    }

    [Fact]
    public void Checkpoints_in_the_folder_and_what_is_not_finished_are_named()
    {
        Weights();
        foreach (string name in (string[])["checkpoint-90", "checkpoint-1500", "checkpoint-x", "tmp-checkpoint-2000"])
            Directory.CreateDirectory(_folder[name]);
        File.WriteAllText(_folder["part.safetensors.incomplete"], "x");
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder.Path);
        loaded.Notes[0].ShouldContain("2 checkpoints in it are others, the newest checkpoint-1500");
        loaded.Notes[1].ShouldContain("part.safetensors.incomplete, tmp-checkpoint-2000");
        loaded.Disagreements.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("tmp-checkpoint-500", true)]
    [InlineData("model.incomplete", true)]
    [InlineData("model.safetensors.part", true)]
    [InlineData(".tmp", false)]
    [InlineData("checkpoint-500", false)]
    [InlineData("my-tmp-checkpoint", false)]
    public void A_name_says_that_it_is_not_finished(string name, bool isUnfinished) => TrainerFolders.IsUnfinished(name).ShouldBe(isUnfinished);

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(2, false)]
    [InlineData(12, false)]
    public void Of_a_long_state_of_the_trainer_the_end_says_whether_it_was_cut(int cut, bool isWhole)
    {
        string json = "{\n  \"global_step\": 5,\n  \"log_history\": [\n" + string.Join(",\n", Enumerable.Range(0, 40_000).Select(i => $"    {{\n      \"step\": {i}\n    }}")) + "\n  ]\n}\n";
        File.WriteAllText(_folder["trainer_state.json"], json[..^cut]);
        json.Length.ShouldBeGreaterThan(1 << 20);
        var states = new TrainerStates(new Cairn.Stores.LocalFileSystem(_folder.Path), "", []);
        if (isWhole)
            states.CheckEnd();
        else
            Should.Throw<CorruptCheckpointException>(states.CheckEnd).Message.ShouldContain("cut off");
    }

    [Fact]
    public void A_folder_of_checkpoints_alone_says_which_is_the_newest()
    {
        foreach (string name in (string[])["checkpoint-90", "checkpoint-1500"])
            Directory.CreateDirectory(_folder[name]);
        Should.Throw<CheckpointException>(() => CheckpointReader.Open(_folder.Path)).Message.ShouldContain("the newest of which is");
    }

    [Theory]
    [InlineData("""{"global_step": 500, "best_metric": NaN, "log": [{"a NaN \\": -Infinity, "loss": Infinity}]}""", 500L)]
    [InlineData("""{"global_step": "500"}""", null)]
    [InlineData("""{"global_step": -5}""", null)]
    [InlineData("[1]", null)]
    public void The_step_is_read_as_Python_writes_it(string json, long? step)
    {
        Weights();
        State("optimizer.pt", "lr", 1);
        File.WriteAllText(_folder["trainer_state.json"], json);
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder.Path);
        loaded.Source!.Step.ShouldBe(step);
        loaded.Notes.ShouldBeEmpty();
    }

    [Fact]
    public void Another_model_of_accelerate_is_named_and_what_is_read_is_no_other_file()
    {
        Weights();
        File.Copy(_folder["model.safetensors"], _folder["model_1.safetensors"]);
        State("random_states_0.pkl", "seed", 1);
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder.Path);
        loaded.Notes.ShouldHaveSingleItem().ShouldContain("model_1.safetensors");
        loaded.OtherFiles.ShouldBeEmpty();
    }

    [Fact]
    public void A_damaged_file_refuses_its_own_part_alone()
    {
        Weights();
        State("optimizer.pt", "lr", 1);
        byte[] cut = File.ReadAllBytes(_folder["optimizer.pt"])[..^40];
        File.WriteAllBytes(_folder["optimizer.pt"], cut);
        File.WriteAllText(_folder["trainer_state.json"], """{"global_step": 5""");
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder.Path);
        loaded.Load("model").Keys.ShouldBe(["w"]);
        loaded.Notes.ShouldHaveSingleItem().ShouldContain("trainer_state.json");
        Should.Throw<CorruptCheckpointException>(() => loaded.Load("optimizer"));
    }

    [Fact]
    public void Damaged_weights_do_not_hide_the_other_parts()
    {
        Weights();
        State("optimizer.pt", "lr", 1);
        File.WriteAllBytes(_folder["model.safetensors"], File.ReadAllBytes(_folder["model.safetensors"])[..^1]);
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder.Path);
        loaded.Parts.ShouldBe(["model", "optimizer"]);
        Value(loaded.Load("optimizer"), "lr").ShouldBe(1);
        loaded.FilesOf("model").ShouldBe(["model.safetensors"]);
        Should.Throw<CorruptCheckpointException>(() => loaded.Load("model"));
        File.Delete(_folder["optimizer.pt"]);
        Should.Throw<CorruptCheckpointException>(() => CheckpointReader.Open(_folder.Path));
    }

    private static long Value(StateMap state, string key) => (long)((StateScalar)state[key]).Value!;

    private void Weights() => File.WriteAllBytes(_folder["model.safetensors"], TestTensors.Written(SafetensorsWriter.Plan([KeyValuePair.Create<string, StateTensor>("w", TestTensors.Of(TensorType.U8, 3))]).WriteTo));

    private void State(string name, string key, long value) =>
        File.WriteAllBytes(_folder[name], TestTensors.Written(TorchFileWriter.Plan(new TorchMap { [key] = new TorchScalar(value) }, "archive").WriteTo));
}
