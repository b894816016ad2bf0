using Cairn.Opening;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Manager;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests.Opening;

/// <summary>What a run asks for after each save, when it has many copies.</summary>
public sealed class KnownCopiesTests
{
    [Theory, InlineData("all"), InlineData("every"), InlineData("optimizer"), InlineData("best")]
    public async Task A_save_asks_a_store_for_no_more_however_many_copies_there_are(string keeps)
    {
        var store = new MemoryRunStore();
        var training = new SampleTraining();
        CheckpointOptions options = Options();
        if (keeps == "every")
            (options.KeepLast, options.KeepEvery) = (2, 1);
        if (keeps == "optimizer")
            options.KeepOptimizer = 2;
        if (keeps == "best")
            (options.KeepLast, options.KeepEvery, options.SaveBestMetric) = (2, 1, "loss");
        await using CheckpointManager checkpoints = Start(new StoreHome(store), options, training);
        int few = AfterSaves(20), many = AfterSaves(100);
        Catalog.Read(new StoreFiles(store)).Entries.Count.ShouldBe(100);
        many.ShouldBe(few, string.Join(" ", store.Opened));

        int AfterSaves(int count)
        {
            while (training.Train.Step < count)
            {
                store.Opened.Clear();
                store.Listed.Clear();
                training.Batch();
                training.Train.Metrics["loss"] = 1.0 / training.Train.Step;
                checkpoints.AfterBatch();
            }
            // A look at whether somebody asks for something comes by the clock.
            return store.Opened.Concat(store.Listed).Count(path => path.Length > 0 && char.IsAsciiDigit(path[0]));
        }
    }

    // The third is one that would be kept, the first one that would go: what is damaged is left for inspection.
    [Theory, InlineData("3/3.step"), InlineData("3"), InlineData("2/context.json"), InlineData("1/context.json")]
    public async Task A_copy_that_a_hand_spoiled_since_is_not_relied_on(string removed)
    {
        var files = new SimulatedFileSystem();
        var training = new SampleTraining();
        CheckpointOptions options = Options();
        options.KeepLast = 3;
        await using CheckpointManager checkpoints = Start(new DiskHome(files), options, training);
        for (int i = 0; i < 3; i++)
            Batch();
        if (removed == "3")
            files.Move("3", "elsewhere");
        else
            files.DeleteFile(removed);
        Batch();
        Complete().ShouldBe(new long[] { 1, 2, 3, 4 }.Where(step => !removed.StartsWith($"{step}", StringComparison.Ordinal)));
        Batch();
        Complete().Length.ShouldBe(3);
        Catalog.Read(files).Entries.Any(entry => entry.Step == 1).ShouldBe(removed[0] == '1');

        void Batch()
        {
            training.Batch();
            checkpoints.AfterBatch();
        }

        long[] Complete() => [.. Catalog.Read(files).Entries.Where(entry => entry.Marker is not null).Select(entry => entry.Step).Order()];
    }

    [Fact]
    public async Task The_next_best_stays_when_a_hand_spoiled_the_best()
    {
        var files = new SimulatedFileSystem();
        var training = new SampleTraining();
        CheckpointOptions options = Options();
        (options.KeepLast, options.KeepEvery, options.SaveBestMetric) = (10, 10, "loss");
        await using CheckpointManager checkpoints = Start(new DiskHome(files), options, training);
        for (int step = 1; step <= 30; step++)
        {
            if (step == 15)
                files.DeleteFile("1/context.json");
            training.Batch();
            training.Train.Metrics["loss"] = step switch { 1 => 0.1, 2 => 0.2, _ => 1 + step };
            checkpoints.AfterBatch();
        }
        Catalog.Read(files).Entries.Where(entry => entry.Marker is not null).Select(entry => entry.Step).Order().ShouldBe([5, 10, .. Enumerable.Range(20, 11).Select(step => (long)step)]);
    }

    [Fact]
    public async Task A_copy_that_takes_the_place_of_one_of_a_line_that_was_left_counts_for_itself()
    {
        var files = new SimulatedFileSystem();
        CheckpointOptions options = Options();
        (options.CheckpointEvery, options.KeepLast) = (5, 2);
        await TrainAsync(20);
        (options.ResumeFrom, options.Branch) = ("15", "other");
        options.CheckpointEvery = 2;
        await TrainAsync(22);
        Catalog.Read(files).Entries.Select(entry => (entry.Step, entry.Marker!.Lineage.Current.Name)).ShouldBe([(22, "other"), (20, "other")]);

        async Task TrainAsync(long until)
        {
            var training = new SampleTraining();
            await using CheckpointManager checkpoints = Start(new DiskHome(files), options, training);
            training.TrainTo(checkpoints, until);
        }
    }

    static CheckpointOptions Options() => new() { Folder = "run", TotalSteps = 200, CheckpointEvery = 1, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false };

    static CheckpointManager Start(IRunHome home, CheckpointOptions options, SampleTraining training) =>
        CheckpointManager.Start(home, options, training.Train, [training.Weights, new Optimizer()], NullLoggerFactory.Instance);

    // With what only a restart needs, so that there is something to let go.
    sealed class Optimizer : IStatePart
    {
        public string Name => "optimizer";
        public StateMap Capture() => new() { { "m", new MemoryTensor(TensorType.U8, [4], new byte[4]) } };
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) { }
    }
}
