using Cairn.Layouts;
using Cairn.Layouts.HuggingFace;
using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Formats;
using Cairn.Tests.Manager;

namespace Cairn.Tests.Opening;

public sealed class CheckpointReaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private void Train(int batches)
    {
        var training = new SampleTraining();
        CheckpointManager manager = training.Start(new LocalFileSystem(_folder["run"]), new CheckpointOptions { Folder = _folder["run"], CheckpointEvery = 4, SnapshotEvery = 3, Asynchronous = false });
        for (int i = 0; i < batches; i++)
        {
            training.Batch();
            manager.AfterBatch();
        }
        manager.Complete();
    }

    [Fact]
    public void A_run_is_opened_at_what_a_restart_would_take()
    {
        Train(7);
        CheckpointSource found = CheckpointReader.Detect(_folder["run"]);
        (found.Layout, found.Kind).ShouldBe(("cairn", SourceKind.Run));
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder["run"]);
        loaded.Source!.Kind.ShouldBe(SourceKind.Checkpoint);
        loaded.Source.Step.ShouldBe(Catalog.Read(new LocalFileSystem(_folder["run"])).Entries[0].Step);
        string.Join(',', loaded.Parts).ShouldContain("model");
        ((StateTensor)loaded.Load("model")["w"]).Shape.ShouldBe([1]);
    }

    [Theory, InlineData("run/4"), InlineData("run/snapshot/0"), InlineData("run/snapshot/1")]
    public void A_checkpoint_or_snapshot_is_opened_by_its_folder(string folder)
    {
        Train(7);
        CheckpointReader.Detect(_folder[folder]).Kind.ShouldBe(SourceKind.Checkpoint);
        using LoadedCheckpoint loaded = CheckpointReader.Open("local:" + _folder[folder] + "/");
        loaded.Source!.Marker.ShouldNotBeNull();
        loaded.Load("model").Count.ShouldBe(1);
    }

    [Theory, InlineData("run/snapshot/0"), InlineData("run/4")]
    public void A_copied_checkpoint_or_snapshot_is_opened_under_any_name(string folder)
    {
        Train(7);
        Directory.Move(_folder[folder], _folder["kept"]);
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder["kept"]);
        loaded.Load("model").Count.ShouldBe(1);
    }

    [Fact]
    public void An_incomplete_checkpoint_says_what_is_missing()
    {
        Train(4);
        File.Delete(_folder["run/4/model_tp0_pp0.safetensors"]);
        Should.Throw<CorruptCheckpointException>(() => CheckpointReader.Open(_folder["run/4"])).Message.ShouldContain("model_tp0_pp0.safetensors: the file is missing");
    }

    [Fact]
    public void A_model_folder_of_Hugging_Face_is_opened()
    {
        Directory.CreateDirectory(_folder["hf"]);
        foreach (PlannedFile file in HuggingFaceLayout.Plan(new StateMap { ["w"] = TestTensors.Of(TensorType.F32, 2) }))
            File.WriteAllBytes(_folder["hf/" + file.Name], TestTensors.Written(file.WriteTo));
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder["hf"]);
        (loaded.Source!.Layout, string.Join(',', loaded.Parts)).ShouldBe(("huggingface", "model"));
        // The file in it, by itself, is one too.
        using LoadedCheckpoint file1 = CheckpointReader.Open(_folder["hf/model.safetensors"]);
        (file1.Source!.Layout, file1.Source.Kind, string.Join(',', file1.Parts)).ShouldBe(("safetensors", SourceKind.File, "model"));
    }

    [Fact]
    public void A_file_of_Cairn_is_the_part_that_it_was_written_for()
    {
        PlannedFile file = CairnLayout.Plan([("optimizer", new StateMap { ["a/b"] = TestTensors.Of(TensorType.F32, 2) })])[0];
        File.WriteAllBytes(_folder[file.Name], TestTensors.Written(file.WriteTo));
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder[file.Name]);
        loaded.Parts.ShouldBe(["optimizer"]);
        loaded.Load("optimizer").Keys.ShouldBe(["a/b"]);
        Should.Throw<KeyNotFoundException>(() => loaded.Load("model"));
    }

    [Fact]
    public void A_run_in_InternLMs_own_files_is_opened_by_its_marker()
    {
        var training = new SampleTraining();
        CheckpointManager manager = training.Start(new LocalFileSystem(_folder["run"]), new CheckpointOptions { Folder = _folder["run"], CheckpointEvery = 2, Asynchronous = false, Layout = "internlm" });
        training.Batch();
        training.Batch();
        manager.AfterBatch();
        manager.Complete();
        foreach (string path in new[] { "run", "run/2" })
        {
            using LoadedCheckpoint loaded = CheckpointReader.Open(_folder[path]);
            (loaded.Source!.Layout, loaded.Source.Step).ShouldBe(("internlm", 2));
            loaded.Load("model").Count.ShouldBe(1);
        }
    }

    [Fact]
    public void What_InternLM_wrote_itself_is_told_from_what_Cairn_wrote()
    {
        foreach (string folder in new[] { "run/200", "run/250", "run/snapshot/0" })
        {
            Directory.CreateDirectory(_folder[folder]);
            File.WriteAllBytes(_folder[folder + "/model_tp0_pp0.pt"], "PK\u0003\u0004"u8.ToArray());
        }
        File.WriteAllBytes(_folder["run/200/200.step"], "PK\u0003\u0004"u8.ToArray());
        File.WriteAllBytes(_folder["run/snapshot/0/220.step"], "PK\u0003\u0004"u8.ToArray());
        CheckpointSource run = CheckpointReader.Detect(_folder["run"]), checkpoint = CheckpointReader.Detect(_folder["run/200"]);
        (run.Layout, run.Kind).ShouldBe(("internlm", SourceKind.Run));
        (checkpoint.Layout, checkpoint.Kind, checkpoint.Step).ShouldBe(("internlm", SourceKind.Checkpoint, 200));
        // No marker: found all the same when it is named, and not taken when the run is.
        CheckpointReader.Detect(_folder["run/250"]).Layout.ShouldBe("internlm");
        CheckpointReader.Detect(_folder["run/snapshot/0"]).Step.ShouldBe(220);
        // None of them can be read, and none is taken for that.
        string message = Should.Throw<CheckpointException>(() => CheckpointReader.Open(run)).Message;
        foreach (string folder in new[] { "200", "250", "snapshot/0" })
            message.ShouldContain(folder);
    }

    [Fact]
    public void What_is_not_there_or_not_known_is_told_with_what_to_give_instead()
    {
        Should.Throw<CheckpointException>(() => CheckpointReader.Detect(_folder["none"])).Message.ShouldContain("There is nothing at");
        Directory.CreateDirectory(_folder["empty"]);
        Should.Throw<CheckpointException>(() => CheckpointReader.Detect(_folder["empty"])).Message.ShouldContain("it is empty");
        File.WriteAllText(_folder["notes.txt"], "words");
        Should.Throw<CheckpointException>(() => CheckpointReader.Detect(_folder["notes.txt"])).Message.ShouldContain("no file of a known format");
        File.WriteAllText(_folder["empty/some.safetensors"], "x");
        Should.Throw<CheckpointException>(() => CheckpointReader.Detect(_folder["empty"])).Message.ShouldContain("for example " + _folder["empty/some.safetensors"]);
        Directory.CreateDirectory(_folder["bare/snapshot"]);
        Should.Throw<CheckpointException>(() => CheckpointReader.Open(_folder["bare"])).Message.ShouldContain("without a complete checkpoint");
    }
}
