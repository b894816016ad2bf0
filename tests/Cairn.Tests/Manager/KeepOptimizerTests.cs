using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests.Manager;

/// <summary>Weights of all checkpoints, and the optimizer of the last ones.</summary>
public sealed class KeepOptimizerTests
{
    const int ModelBytes = 256 << 10, OptimizerBytes = 512 << 10;

    [Theory, InlineData(false), InlineData(true)]
    public async Task Two_hundred_checkpoints_take_what_the_forecast_says_and_the_last_two_can_be_resumed(bool inStore)
    {
        IRunHome home = inStore ? new StoreHome(new MemoryRunStore()) : new DiskHome(new SimulatedFileSystem());
        CheckpointOptions options = Options();
        var training = new SampleTraining();
        await using (CheckpointManager checkpoints = Start(home, options, training))
        {
            for (int i = 0; i < 200; i++)
            {
                training.Batch();
                checkpoints.AfterBatch();
            }
            checkpoints.Complete();
        }
        CatalogEntry[] entries = [.. Catalog.Read(home.Files).Entries];
        entries.Length.ShouldBe(200);
        entries.Select(entry => entry.Marker!.IsWeightsOnly).ShouldBe([false, false, .. Enumerable.Repeat(true, 198)]);
        long full = entries[0].Marker!.Files.Sum(file => file.Length), weights = entries[^1].Marker!.Files.Sum(file => file.Length);
        weights.ShouldBeLessThan(full - OptimizerBytes);

        var standing = new StandingCopies(null, [], []) { KeepOptimizer = 2, WeightsBytes = weights };
        RunForecast.Of(options.Forecast(standing, 200, full));
        double taken = BytesIn(home.Files, "");
        ((double)standing.Bytes / taken).ShouldBe(1, 0.01);
    }

    [Fact]
    public async Task A_run_whose_full_checkpoints_are_damaged_does_not_fall_onto_weights_and_begins_from_them_when_it_is_told_to()
    {
        var files = new SimulatedFileSystem();
        var home = new DiskHome(files);
        var training = new SampleTraining();
        await using (CheckpointManager checkpoints = Start(home, Options(), training))
        {
            for (int i = 0; i < 5; i++)
            {
                training.Batch();
                checkpoints.AfterBatch();
            }
        }
        files.DeleteFile("4/4.step");
        files.DeleteFile("5/5.step");
        CheckpointException refused = Should.Throw<CheckpointException>(() => Start(home, Options(), new SampleTraining()));
        refused.Message.ShouldContain("it has only weights: optimizer went to save space");
        refused.Message.ShouldContain("ResumeParts = [\"model\"]");

        CheckpointOptions options = Options();
        (options.ResumeFrom, options.ResumeParts, options.Branch) = ("3", ["model"], "again");
        var again = new SampleTraining();
        await using CheckpointManager resumed = Start(home, options, again);
        again.Train.Step.ShouldBe(0);
        resumed.Resume.Parts.ShouldBe(["model"]);
    }

    static CheckpointOptions Options() => new() { Folder = "run", TotalSteps = 200, CheckpointEvery = 1, SnapshotEvery = 0, KeepOptimizer = 2, HandleSignals = false, Asynchronous = false };

    static CheckpointManager Start(IRunHome home, CheckpointOptions options, SampleTraining training) =>
        CheckpointManager.Start(home, options, training.Train, [training.Weights, new Filled("ema", ModelBytes), new Filled("optimizer", OptimizerBytes)], NullLoggerFactory.Instance);

    static long BytesIn(IFileSource files, string folder) => files.List(folder).Where(entry => RunFolderOnly(folder, entry)).Sum(entry => entry.IsFolder ? BytesIn(files, folder.Length == 0 ? entry.Name : $"{folder}/{entry.Name}") : entry.Length);

    static bool RunFolderOnly(string folder, FileSystemEntry entry) => folder.Length > 0 || (entry.IsFolder && Cairn.Checkpoints.RunFolder.IsStep(entry.Name, out _));

    sealed class Filled(string name, int bytes) : IStatePart
    {
        public string Name => name;
        public StateMap Capture() => new() { { "t", new MemoryTensor(TensorType.U8, [bytes], new byte[bytes]) } };
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) { }
    }
}
