using Cairn.Checkpoints;
using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Interop.Tests;

/// <summary>Who trained with InternLM goes on with Cairn: in the same folder, or from it.</summary>
public sealed class InternLmResumeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory, InlineData("cairn"), InlineData("internlm")]
    public async Task A_run_goes_on_in_the_folder_where_InternLM_left_it(string layout)
    {
        Make("""{"family": "internlm2", "tp": 2, "pp": 2, "dp": 2, "zo": 2, "step": 250}""", "run/250");
        Make("""{"family": "internlm2", "tp": 2, "pp": 2, "dp": 2, "zo": 2, "step": 240, "seed": 1}""", "run/snapshot/1");
        using TorchFile whole = TorchFile.Open(new LocalFileSystem(_folder.Path), "run/250/whole.pt");
        File.Exists(At("run/250/250.step")).ShouldBeTrue();

        var train = new TrainState();
        TensorsPart model = TensorsPart.Like(whole, "master");
        CountPart random = new("random"), sampler = new("sampler"), scheduler = new("scheduler", "last_epoch");
        await using (CheckpointManager run = await CheckpointManager.StartAsync(Options(layout), train, [model, scheduler, sampler, random], cancellationToken: TestContext.Current.CancellationToken))
        {
            (run.Resume.Step, run.Resume.Source).ShouldBe((250, "250"));
            run.Resume.Parts.ShouldBe(["model", "scheduler", "context"]);
            run.Resume.NotExact.Count.ShouldBe(3);
            run.Resume.NotExact[0].ShouldContain("model: takes the master weights");
            run.Resume.NotExact[1].ShouldContain("sampler: starts fresh");
            run.Resume.NotExact[2].ShouldContain("random: starts fresh");
            model.ShouldHold(whole, "master");
            (train.Step, train.Batch, train.SkippedBatches, scheduler.Value).ShouldBe((250, 253, 3, 250));
            for (int i = 0; i < 30; i++)
            {
                random.Value++;
                train.CompleteStep();
                run.AfterBatch();
            }
            run.Complete();
        }
        // The rules for keeping checkpoints do not touch what InternLM saved.
        CatalogEntry[] entries = [.. Catalog.Read(new LocalFileSystem(At("run"))).Entries];
        entries.Where(entry => entry.Kind == Cairn.Policies.SaveKind.Checkpoint).Select(entry => (entry.Step, entry.Marker!.IsDerived)).ShouldBe([(280, false), (270, false), (250, true)]);

        var later = new TrainState();
        var again = new CountPart("random");
        await using CheckpointManager resumed = await CheckpointManager.StartAsync(
            Options(layout), later, [TensorsPart.Like(whole, "master"), new CountPart("scheduler", "last_epoch"), new CountPart("sampler"), again], cancellationToken: TestContext.Current.CancellationToken);
        (resumed.Resume.Step, resumed.Resume.NotExact.Count, again.Value).ShouldBe((280, 0, 30));
    }

    [Theory]
    [InlineData("old", 250)]
    [InlineData("old/250", 250)]
    [InlineData("old/snapshot/0", 240)]
    public async Task Another_run_begins_with_the_weights_of_one(string from, long step)
    {
        Make("""{"family": "internlm2", "tp": 2, "zo": 2, "dp": 2}""", "old/250");
        Make("""{"family": "internlm2", "tp": 2, "zo": 2, "dp": 2, "step": 240, "seed": 1}""", "old/snapshot/0");
        string folder = step == 250 ? "old/250" : "old/snapshot/0";
        using TorchFile whole = TorchFile.Open(new LocalFileSystem(_folder.Path), folder + "/whole.pt");
        foreach (string what in (string[])["model", "master"])
        {
            CheckpointOptions options = Options("cairn");
            (options.Folder, options.ResumeFrom, options.ResumeParts) = (At("new-" + what), At(from), ["model"]);
            TensorsPart model = TensorsPart.Like(whole, what);
            await using CheckpointManager run = await CheckpointManager.StartAsync(options, new TrainState(), [model, new CountPart("sampler")], cancellationToken: TestContext.Current.CancellationToken);
            run.Resume.Parts.ShouldBe(["model"]);
            model.ShouldHold(whole, what);
        }
    }

    [Theory, InlineData("cairn"), InlineData("internlm")]
    public async Task A_job_of_several_ranks_becomes_a_copy_of_one_and_keeps_the_precision_that_was_trained(string layout)
    {
        Make("""{"family": "internlm2", "tp": 2, "pp": 2, "dp": 2, "zo": 2}""", "old/250");
        using TorchFile whole = TorchFile.Open(new LocalFileSystem(_folder.Path), "old/250/whole.pt");
        using (LoadedCheckpoint loaded = CheckpointReader.Open(At("old/250")))
        {
            (string, StateMap)[] parts = [.. loaded.Parts.Where(part => part is "model" or "optimizer" or "master" or "context").Select(part => (part, loaded.Load(part)))];
            ICheckpointLayout target = CheckpointLayouts.Of(layout);
            var marker = new Marker
            {
                Step = 250, Kind = SaveKind.Checkpoint, Reason = SaveReason.Manual, Layout = layout, Run = "run", Lineage = Lineage.New,
                Time = DateTimeOffset.UnixEpoch, Train = loaded.Load("context"), Files = [],
            };
            new CommitProtocol(new LocalFileSystem(At("run"))).Save(marker, target.Plan(250, parts), refuseNonFinite: true, TestContext.Current.CancellationToken);
        }
        foreach (string what in (string[])["model", "master"])
        {
            CheckpointOptions options = Options(layout);
            (options.Folder, options.ResumeFrom, options.ResumeParts) = (At("new-" + what), At("run"), ["model", "context"]);
            TensorsPart model = TensorsPart.Like(whole, what);
            await using CheckpointManager run = await CheckpointManager.StartAsync(options, new TrainState(), [model], cancellationToken: TestContext.Current.CancellationToken);
            model.ShouldHold(whole, what);
        }
        if (layout == "internlm")
        {
            using TorchFile file = TorchFile.Open(new LocalFileSystem(At("run")), "250/optimizer_tp0_pp0_zo0.pt");
            ((TorchTensorValue)((TorchMap)((TorchMap)file.Root)["flat_fp32_weights"])[0]).Data.Type.ShouldBe(TensorType.F32);
        }
    }

    [Fact]
    public async Task Weights_without_a_marker_can_be_begun_with()
    {
        Make("""{"family": "internlm2", "tp": 2}""", "weights");
        foreach (string file in Directory.GetFiles(At("weights")).Where(file => !Path.GetFileName(file).StartsWith("model_tp", StringComparison.Ordinal) && !file.EndsWith("whole.pt", StringComparison.Ordinal)))
            File.Delete(file);
        using TorchFile whole = TorchFile.Open(new LocalFileSystem(_folder.Path), "weights/whole.pt");
        CheckpointOptions options = Options("cairn");
        (options.ResumeFrom, options.ResumeParts) = (At("weights"), ["model"]);
        TensorsPart model = TensorsPart.Like(whole, "model");
        await using CheckpointManager run = await CheckpointManager.StartAsync(options, new TrainState(), [model], cancellationToken: TestContext.Current.CancellationToken);
        model.ShouldHold(whole, "model");
    }

    [Fact]
    public async Task What_does_not_fit_the_model_is_an_error_and_changes_nothing()
    {
        Make("""{"family": "internlm2"}""", "run/250");
        using TorchFile whole = TorchFile.Open(new LocalFileSystem(_folder.Path), "run/250/whole.pt");
        var train = new TrainState();
        TensorsPart model = TensorsPart.Like(whole, "model");
        model.Values["another"] = Samples.Tensor(TensorType.F32, 2);
        StateMismatchException error = await Should.ThrowAsync<StateMismatchException>(() => CheckpointManager.StartAsync(Options("cairn"), train, [model], cancellationToken: TestContext.Current.CancellationToken));
        error.Problems.Missing.ShouldBe(["another"]);
        train.Step.ShouldBe(0);
    }

    private CheckpointOptions Options(string layout) =>
        new() { Folder = At("run"), Layout = layout, CheckpointEvery = 10, SnapshotEvery = 7, KeepLast = 2, HandleSignals = false, Asynchronous = false };

    private string At(string path) => Path.Combine(_folder.Path, path);

    private void Make(string job, string folder)
    {
        using var made = new TemporaryFolder();
        string path = Path.Combine(made.Path, "job.json");
        File.WriteAllText(path, job);
        Python.Run("internlm_fixture.py", [made.Path, path]);
        Directory.CreateDirectory(At(Path.GetDirectoryName(folder)!));
        Directory.Move(Path.Combine(made.Path, "checkpoint"), At(folder));
        File.Move(Path.Combine(made.Path, "whole.pt"), At(folder + "/whole.pt"));
    }

    /// <summary>A model of named tensors that starts at zero.</summary>
    private sealed class TensorsPart : IStatePart
    {
        public Dictionary<string, StateTensor> Values { get; } = new(StringComparer.Ordinal);
        public string Name => "model";

        public static TensorsPart Like(TorchFile whole, string what)
        {
            var part = new TensorsPart();
            foreach ((TorchValue key, TorchValue value) in (TorchMap)((TorchMap)whole.Root)[what])
            {
                StateTensor tensor = ((TorchTensorValue)value).Data;
                part.Values[(string)((TorchScalar)key).Value!] = new MemoryTensor(tensor.Type, [.. tensor.Shape], new byte[tensor.ByteLength]);
            }
            return part;
        }

        public void ShouldHold(TorchFile whole, string what)
        {
            foreach ((TorchValue key, TorchValue value) in (TorchMap)((TorchMap)whole.Root)[what])
                Samples.Bytes(Values[(string)((TorchScalar)key).Value!]).ShouldBe(Samples.Bytes(((TorchTensorValue)value).Data), key.ToString());
        }

        public StateMap Capture()
        {
            StateMap map = [];
            foreach ((string name, StateTensor tensor) in Values)
                map.Add(name, tensor);
            return map;
        }

        public void Check(StateMap saved, RestoreProblems problems)
        {
            foreach ((string name, StateTensor tensor) in Values)
            {
                if (!saved.TryGetValue(name, out StateNode? node))
                    problems.AddMissing(name);
                else if (node.ToString() != tensor.ToString())
                    problems.AddMismatched(name, tensor.ToString(), node.ToString()!);
            }
        }

        public void Restore(StateMap saved)
        {
            foreach ((string name, StateTensor tensor) in Values)
                Values[name] = new MemoryTensor(tensor.Type, [.. tensor.Shape], Samples.Bytes((StateTensor)saved[name]));
        }
    }

    /// <summary>A part with one number.</summary>
    private sealed class CountPart(string name, string key = "count") : IStatePart
    {
        public long Value { get; set; }
        public string Name => name;
        public StateMap Capture() => new() { { key, Value } };
        public void Check(StateMap saved, RestoreProblems problems)
        {
            if (!saved.ContainsKey(key))
                problems.AddMissing(key);
        }

        public void Restore(StateMap saved) => Value = (long)((StateScalar)saved[key]).Value!;
    }
}
