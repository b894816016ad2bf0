using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.State;
using Cairn.Tests.Formats;

namespace Cairn.Tests.Layouts.PyTorch;

/// <summary>What jobs of DeepSpeed and Megatron-LM leave.</summary>
public sealed class RankFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_step_of_a_job_of_DeepSpeed_and_the_job_itself_are_read_when_one_rank_has_the_whole_model()
    {
        DeepSpeed("mp_rank_00_model_states.pt");
        File.WriteAllText(_folder["latest"], "global_step500\n");
        foreach (string path in (string[])[_folder.Path, _folder["global_step500"]])
        {
            using LoadedCheckpoint loaded = CheckpointReader.Open(path);
            loaded.Parts.ShouldBe(["model", "context"]);
            loaded.Source!.Layout.ShouldBe("deepspeed");
            loaded.Source.Step.ShouldBe(500);
            loaded.Load("model").Keys.ShouldBe(["w"]);
        }
    }

    [Fact]
    public void Megatron_names_the_newest_iteration_by_its_number()
    {
        Save("iter_0000500/mp_rank_00/model_optim_rng.pt", new TorchMap { ["model"] = Model(), ["iteration"] = new TorchScalar(500L) });
        File.WriteAllText(_folder["latest_checkpointed_iteration.txt"], "500");
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder.Path);
        loaded.Source!.Layout.ShouldBe("megatron");
        loaded.Source.Step.ShouldBe(500);
        loaded.FilesOf("model").ShouldBe(["mp_rank_00/model_optim_rng.pt"]);
    }

    [Fact]
    public void A_rank_whose_file_is_missing_is_named()
    {
        DeepSpeed("mp_rank_00_model_states.pt");
        DeepSpeed("mp_rank_02_model_states.pt");
        Should.Throw<CheckpointException>(() => CheckpointReader.Open(_folder["global_step500"])).Message.ShouldContain("model-parallel rank 1 is missing");
        DeepSpeed("mp_rank_01_model_states.pt");
        DeepSpeed("layer_0_expert_1_mp_rank_00_model_states.pt");
        Should.Throw<CheckpointException>(() => CheckpointReader.Open(_folder["global_step500"])).Message.ShouldContain("layer_0_expert_0_mp_rank_00_model_states.pt is missing");
    }

    [Theory, InlineData("../elsewhere"), InlineData("missing"), InlineData("")]
    public void A_newest_step_that_is_not_there_is_none(string said)
    {
        DeepSpeed("mp_rank_00_model_states.pt");
        File.WriteAllText(_folder["latest"], said);
        Should.Throw<CheckpointException>(() => CheckpointReader.Open(_folder.Path)).Message.ShouldContain("no run and no checkpoint");
    }

    private void DeepSpeed(string name) => Save($"global_step500/{name}", new TorchMap { ["module"] = Model(), ["global_steps"] = new TorchScalar(500L) });

    private static TorchMap Model() => new() { ["w"] = new TorchTensorValue(TestTensors.Of(TensorType.F32, 2)) };

    private void Save(string name, TorchMap root)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder[name])!);
        File.WriteAllBytes(_folder[name], TestTensors.Written(TorchFileWriter.Plan(root, "archive").WriteTo));
    }
}
