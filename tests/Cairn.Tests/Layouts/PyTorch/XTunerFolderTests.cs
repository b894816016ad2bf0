using Cairn.Conversion;
using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Layouts.PyTorch;
using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Formats;

namespace Cairn.Tests.Layouts.PyTorch;

/// <summary>What XTuner 1 leaves: a folder of distributed checkpoints and files without an ending.</summary>
public sealed class XTunerFolderTests : IDisposable
{
    private const string Step = "ckpt-step-500";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory, InlineData(false), InlineData(true)]
    public void A_step_is_one_checkpoint_with_all_its_parts(bool isOlder)
    {
        Save(isOlder);
        Fault().ShouldBeNull();
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder[Step]);
        loaded.Source!.Layout.ShouldBe("xtuner");
        loaded.Source.Step.ShouldBe(500);
        loaded.Parts.ShouldBe(isOlder ? ["model", "scheduler", "sampler", "context"] : ["model", "optimizer", "scheduler", "sampler", "context"]);
        ((StateTensor)loaded.Load("model")["a.w"]).Bytes().ShouldBe(TestTensors.Of(TensorType.F32, 3, 2).Bytes());
        ((StateScalar)loaded.Load("scheduler")["last_epoch"]).Value.ShouldBe(7L);
        ((StateScalar)loaded.Load("context")["cur_epoch"]).Value.ShouldBe(2L);
        loaded.FilesOf("model").ShouldContain(file => file == (isOlder ? "model/.metadata" : "weights/.metadata"));
    }

    [Fact]
    public void A_damaged_file_does_not_hide_the_other_parts()
    {
        Save();
        File.WriteAllBytes(_folder[$"{Step}/lr_scheduler"], File.ReadAllBytes(_folder[$"{Step}/lr_scheduler"])[..100]);
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder[Step]);
        Should.Throw<CheckpointException>(() => loaded.Load("scheduler"));
        loaded.Load("model").Count.ShouldBe(1);
        loaded.Load("sampler").Count.ShouldBe(1);
    }

    [Fact]
    public void What_a_save_that_did_not_end_has_left_is_named()
    {
        Save();
        File.Delete(_folder[$"{Step}/train_state.json"]);
        Fault().ShouldBe("there is no train_state.json: the save did not end");
        File.WriteAllText(_folder[$"{Step}/train_state.json"], """{"cur_step": 5""");
        Fault().ShouldNotBeNull().ShouldContain("not JSON");
        File.Delete(_folder[$"{Step}/weights/.metadata"]);
        Fault().ShouldBe("weights/ has no .metadata: the save did not end");
        Directory.Move(_folder[$"{Step}/weights"], _folder[$"{Step}/weights.incomplete"]);
        Fault().ShouldBe("there is weights.incomplete/ and no weights/: the save did not end");
        Should.Throw<CorruptCheckpointException>(() => CheckpointReader.Open(_folder[Step])).Message.ShouldContain("weights.incomplete/");
        Directory.Delete(_folder[$"{Step}/weights.incomplete"], recursive: true);
        Fault().ShouldBe("there is no weights/: the save did not end");
    }

    [Theory, InlineData("ckpt-step-500", 500L), InlineData("snapshot-step-7", 7L), InlineData("epoch-1-step-20", 20L), InlineData("ckpt-epoch-3-step-50", 50L), InlineData("checkpoint-50", null), InlineData("ckpt-step-5x", null)]
    public void The_step_stands_in_the_folders_name(string name, long? step) => XTunerFolder.StepIn(name).ShouldBe(step);

    [Fact]
    public void A_folder_named_weights_is_no_sign_by_itself()
    {
        Directory.CreateDirectory(_folder["run/weights"]);
        Directory.CreateDirectory(_folder["run/model"]);
        XTunerFolder.Find(new LocalFileSystem(_folder.Path), "run").ShouldBeNull();
    }

    private string? Fault() => XTunerFolder.Find(new LocalFileSystem(_folder.Path), Step).ShouldNotBeNull().FaultIn(new LocalFileSystem(_folder.Path));

    private void Save(bool isOlder = false)
    {
        var state = new TorchMap { ["a.w"] = new TorchTensorValue(TestTensors.Of(TensorType.F32, 3, 2)) };
        var optimizer = new TorchMap { ["state"] = new TorchMap { ["a.w"] = new TorchMap { ["exp_avg"] = new TorchTensorValue(TestTensors.Of(TensorType.F32, 3, 2)) } }, ["param_groups"] = new TorchList(TorchListKind.List, [new TorchMap { ["lr"] = 0.1 }]) };
        Write("state.pt", isOlder ? new TorchMap { ["model"] = state } : new TorchMap { ["model"] = state, ["optimizer"] = optimizer });
        Directory.CreateDirectory(_folder[Step]);
        using (LoadedCheckpoint source = CheckpointReader.Open(_folder["state.pt"]))
        {
            var options = new ConversionOptions { Layout = DistributedLayout.Name, Ranks = 2, Form = isOlder ? DistributedForm.TorchTitan : DistributedForm.StateDict, Parts = isOlder ? ["model"] : ["model", "optimizer"] };
            CheckpointConversion.Plan(source, _folder[$"{Step}/{(isOlder ? "model" : "weights")}"], options).Run(cancellationToken: TestContext.Current.CancellationToken);
        }
        Write($"{Step}/lr_scheduler", new TorchMap { ["last_epoch"] = 7L });
        Write($"{Step}/dataloader", new TorchMap { ["total_consumed_samples"] = 12L });
        File.WriteAllText(_folder[$"{Step}/train_state.json"], """{"cur_step": 500, "cur_epoch": 2}""");
    }

    private void Write(string name, TorchMap root) => File.WriteAllBytes(_folder[name], TestTensors.Written(TorchFileWriter.Plan(root, "archive").WriteTo));
}
