using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager;

/// <summary>Saved means that it can be opened again: whatever the user puts into the state.</summary>
public class ReadableSaveTests
{
    readonly SimulatedFileSystem _files = new();

    public static TheoryData<string, bool> Ways => new() { { "cairn", false }, { "cairn", true }, { "internlm", false } };

    static CheckpointOptions Options(string layout = "cairn", bool asynchronous = false) =>
        new() { Folder = "run", Layout = layout, CheckpointEvery = 1, SnapshotEvery = 0, HandleSignals = false, Asynchronous = asynchronous };

    [Theory, MemberData(nameof(Ways))]
    public async Task A_tensor_among_the_values_comes_back_after_a_restart(string layout, bool asynchronous)
    {
        byte[] bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        await Save(Options(layout, asynchronous), train =>
        {
            var tensor = new MemoryTensor(TensorType.I16, [2, 2], bytes);
            train.Values["mine"] = new StateMap { { "t", tensor }, { "again", tensor }, { "text", "x" } };
        });
        var back = (StateMap)(await Restarted(Options(layout))).Values["mine"];
        var found = (StateTensor)back["t"];
        (found.Type, string.Join(',', found.Shape)).ShouldBe((TensorType.I16, "2,2"));
        byte[] read = new byte[8];
        found.CopyTo(0, read);
        read.ShouldBe(bytes);
        back["again"].ShouldBeSameAs(found);
    }

    [Theory, MemberData(nameof(Ways))]
    public async Task A_text_longer_than_a_marker_may_be_comes_back_after_a_restart(string layout, bool asynchronous)
    {
        string text = new('x', Marker.MaxLength + 1);
        await Save(Options(layout, asynchronous), train => train.Values["text"] = text);
        // Not by ShouldBe, which looks at each of the many characters by itself.
        string.Equals((string?)((StateScalar)(await Restarted(Options(layout))).Values["text"]).Value, text, StringComparison.Ordinal).ShouldBeTrue();
    }

    [Fact]
    public async Task What_a_marker_cannot_hold_is_refused_before_anything_is_written_and_the_last_copy_stands()
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(_files, Options());
        var reports = new List<SaveReport>();
        checkpoints.SaveEnded += (_, report) => reports.Add(report);
        Step(training, checkpoints);
        int before = _files.Operations.Count(operation => operation.Contains(".staging", StringComparison.Ordinal));
        training.Train.Metrics[new string('m', Marker.MaxLength)] = 1;
        Step(training, checkpoints);
        reports[^1].Outcome.ShouldBe(SaveOutcome.Failed);
        reports[^1].Error!.Message.ShouldContain("marker of step 2");
        _files.Operations.Count(operation => operation.Contains(".staging", StringComparison.Ordinal)).ShouldBe(before);
        training.Train.Metrics.Clear();
        Step(training, checkpoints);
        reports[^1].Outcome.ShouldBe(SaveOutcome.Saved);
    }

    [Theory, InlineData("cairn"), InlineData("internlm")]
    public async Task Whatever_is_said_to_be_saved_can_be_resumed(string layout)
    {
        for (int depth = 1; depth < 80; depth += 13)
        {
            var files = new SimulatedFileSystem();
            var training = new SampleTraining();
            SaveReport? report = null;
            await using (CheckpointManager checkpoints = training.Start(files, Options(layout)))
            {
                checkpoints.SaveEnded += (_, ended) => report ??= ended;
                StateNode nested = double.NaN;
                for (int level = 0; level < depth; level++)
                    nested = new StateMap { { "$", nested } };
                training.Train.Values["deep"] = nested;
                training.Batch();
                checkpoints.AfterBatch();
                training.Train.Values["deep"] = StateScalar.Null;
            }
            report.ShouldNotBeNull();
            Catalog.Read(files).Entries.Any(entry => entry is { Step: 1, Marker: not null }).ShouldBeTrue();
            if (report.Outcome == SaveOutcome.Failed)
                report.Error!.Message.ShouldContain("levels");
            else
                depth.ShouldBeLessThan(64);
            await using CheckpointManager again = new SampleTraining().Start(files, Options(layout));
            again.Resume.Step.ShouldBe(1, $"at depth {depth}");
        }
    }

    [Theory]
    [InlineData(".staging/2/model_tp0_pp0.safetensors", false)]
    [InlineData(".staging/2/model_tp0_pp0.safetensors", true)]
    [InlineData(".staging/2/2.step", false)]
    [InlineData(".staging/2/2.step", true)]
    public async Task What_the_disk_gives_back_otherwise_is_not_said_to_be_saved(string path, bool asynchronous)
    {
        string? lost = path;
        var files = new WatchedFileSystem(_files, opened =>
        {
            if (opened != lost)
                return;
            using IWritableFile file = _files.OpenWrite(opened, 8);
            file.Write(0, new byte[8]);
        });
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(files, Options(asynchronous: asynchronous));
        var reports = new List<SaveReport>();
        checkpoints.SaveEnded += (_, report) => reports.Add(report);
        for (int step = 1; step <= 2; step++)
        {
            Step(training, checkpoints);
            checkpoints.WaitForSave();
        }
        Catalog.Read(_files).Entries.ShouldHaveSingleItem().Step.ShouldBe(1);
        lost = null;
        checkpoints.Complete().FinalCheckpoint.ShouldBe("2");
        reports.Select(report => report.Outcome).ShouldBe([SaveOutcome.Saved, SaveOutcome.Failed, SaveOutcome.Saved]);
        reports[1].Error!.Message.ShouldContain("could not be opened again");
    }

    async Task Save(CheckpointOptions options, Action<TrainState> put)
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(_files, options);
        var reports = new List<SaveReport>();
        checkpoints.SaveEnded += (_, report) => reports.Add(report);
        put(training.Train);
        Step(training, checkpoints);
        checkpoints.Complete();
        reports.ShouldAllBe(report => report.Outcome == SaveOutcome.Saved);
    }

    async Task<TrainState> Restarted(CheckpointOptions options)
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(_files, options);
        checkpoints.Resume.Step.ShouldBe(1);
        return training.Train;
    }

    static void Step(SampleTraining training, CheckpointManager checkpoints)
    {
        training.Batch();
        checkpoints.AfterBatch();
    }
}
