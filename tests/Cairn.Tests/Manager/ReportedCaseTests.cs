using Cairn.Opening;
using Cairn.Policies;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager;

/// <summary>The case that started it: 500 batches, some skipped, and no checkpoint at the end.</summary>
public class ReportedCaseTests
{
    [Theory, InlineData(true), InlineData(false)]
    public async Task The_last_step_has_its_checkpoint_although_batches_were_skipped(bool asynchronous)
    {
        var files = new SimulatedFileSystem();
        var training = new SampleTraining();
        var options = new CheckpointOptions { Folder = "run", TotalSteps = 500, CheckpointEvery = 250, SnapshotEvery = 50, Asynchronous = asynchronous, HandleSignals = false };
        var saved = new List<(SaveKind, long)>();
        await using CheckpointManager checkpoints = training.Start(files, options);
        checkpoints.SaveEnded += (_, report) =>
        {
            report.Outcome.ShouldBe(SaveOutcome.Saved);
            saved.Add((report.Kind, report.Step));
        };
        for (int batch = 1; batch <= 500; batch++)
        {
            training.Batch(overflow: batch is 251 or 252 or 300);
            checkpoints.AfterBatch().ShouldBeTrue();
            // Batches that take no time at all would drop snapshots, and how many is the machine's affair.
            checkpoints.WaitForSave();
        }
        RunSummary summary = checkpoints.Complete();

        (summary.Steps, summary.Batches, summary.SkipsByReason["overflow"]).ShouldBe((497, 500, 3));
        summary.FinalCheckpoint.ShouldBe("497");
        summary.ToString().ShouldContain("500 batches, 497 steps of 500; 3 batches were skipped (overflow: 3), 3 steps short of the plan.");
        saved.ShouldBeUnique();
        saved.ShouldContain((SaveKind.Checkpoint, 250));
        Catalog catalog = Catalog.Read(files);
        catalog.Entries.Where(entry => entry.Kind == SaveKind.Checkpoint).Select(entry => entry.Step).ShouldBe([497, 250]);
        catalog.Entries.Where(entry => entry is { Kind: SaveKind.Snapshot, Marker: not null }).Select(entry => entry.Step).ShouldBe([450, 400]);
    }

    [Fact]
    public async Task The_end_is_durable_before_the_loop_hears_of_it()
    {
        var files = new SimulatedFileSystem();
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(files, new CheckpointOptions { Folder = "run", TotalSteps = 7, HandleSignals = false });
        do
            training.Batch();
        while (checkpoints.AfterBatch());
        Catalog.Read(files).Entries[0].Step.ShouldBe(7);
        checkpoints.Complete().Saves.ShouldBe(1, "and it is saved once");
    }

    [Fact]
    public async Task A_restart_continues_with_the_same_values()
    {
        var files = new SimulatedFileSystem();
        var options = new CheckpointOptions { Folder = "run", CheckpointEvery = 10, HandleSignals = false };
        var whole = new SampleTraining();
        for (int batch = 0; batch < 40; batch++)
            whole.Batch(batch == 7);

        var first = new SampleTraining();
        await using (CheckpointManager checkpoints = first.Start(files, options))
        {
            for (int batch = 0; batch < 25; batch++)
            {
                first.Batch(batch == 7);
                checkpoints.AfterBatch();
            }
            checkpoints.Complete();
        }
        var second = new SampleTraining();
        await using CheckpointManager resumed = second.Start(files, options);
        (resumed.Resume.Step, resumed.Resume.Source).ShouldBe((24, "24"));
        second.Train.Batch.ShouldBe(25);
        for (int batch = 25; batch < 40; batch++)
            second.Batch();
        BitConverter.SingleToInt32Bits(second.Weights.Value).ShouldBe(BitConverter.SingleToInt32Bits(whole.Weights.Value));
    }
}
