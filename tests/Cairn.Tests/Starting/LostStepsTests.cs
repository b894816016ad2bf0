using System.Text;
using Cairn.Checkpoints;
using Cairn.Stores;
using Cairn.Tests.Manager;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.Starting;

/// <summary>What a start says of the steps that are to be made again.</summary>
public class LostStepsTests
{
    private readonly SimulatedFileSystem _disk = new();
    private readonly FakeTimeProvider _time = new();
    private readonly RecordedLog _log = new();

    [Fact]
    public void After_a_kill_the_number_is_the_least_that_was_lost()
    {
        // Progress is told once a second: nothing tells of the last batches.
        Kill(made: 47, TimeSpan.FromSeconds(0.3));
        CheckpointManager second = Start(new SampleTraining());
        (second.Resume.Step, second.Resume.LostAtLeast).ShouldBe((40, true));
        second.Resume.LostSteps.ShouldBeInRange(4, 7);
        second.Resume.ToString().ShouldBe($"Goes on after 40 steps, from snapshot/1; at least {second.Resume.LostSteps} steps above it have to be repeated.");
        _log.At(LogLevel.Information).ShouldContain(line => line.EndsWith($"from snapshot/1; to make again: at least {second.Resume.LostSteps} steps", StringComparison.Ordinal));
        // The second is killed before its first batch: it has lost nothing of its own.
        (Start(new SampleTraining()).Resume is { LostSteps: 0, LostAtLeast: true }).ShouldBeTrue();
    }

    [Fact]
    public void Without_any_copy_all_that_was_made_is_lost()
    {
        Kill(made: 6, TimeSpan.FromSeconds(2));
        CheckpointManager second = Start(new SampleTraining());
        (second.Resume.IsFresh, second.Resume.LostSteps, second.Resume.LostAtLeast).ShouldBe((true, 6, true));
        second.Resume.ToString().ShouldBe("Starts at step 0: there is nothing to resume from. The process before had made at least 6 steps; they are lost.");
        _log.At(LogLevel.Warning).ShouldContain(line => line.StartsWith("The process before had made at least 6 steps in", StringComparison.Ordinal));
        Encoding.UTF8.GetString(SmallFile.Read(_disk, RunFolder.Journal, 1 << 20)).ShouldContain("\"lost_steps\":6,\"lost_at_least\":true");
    }

    [Fact]
    public async Task What_an_end_was_not_saved_of_is_known_exactly()
    {
        var first = new SampleTraining();
        CheckpointManager checkpoints = Start(first);
        Batches(first, checkpoints, 25, TimeSpan.FromSeconds(0.1));
        await Should.ThrowAsync<InvalidOperationException>(() => checkpoints.RunAsync(_ => throw new InvalidOperationException("out of memory"), TestContext.Current.CancellationToken));
        await checkpoints.DisposeAsync();
        CheckpointManager second = Start(new SampleTraining());
        (second.Resume.Step, second.Resume.LostSteps, second.Resume.LostAtLeast).ShouldBe((20, 5, false));
    }

    [Fact]
    public async Task After_an_end_that_was_saved_nothing_is_lost_and_what_is_left_by_choice_is_not_lost_either()
    {
        var first = new SampleTraining();
        CheckpointManager checkpoints = Start(first);
        Batches(first, checkpoints, 25, TimeSpan.FromSeconds(0.1));
        checkpoints.Complete();
        await checkpoints.DisposeAsync();
        CheckpointManager second = Start(new SampleTraining());
        (second.Resume.Step, second.Resume.LostSteps, second.Resume.LostAtLeast).ShouldBe((25, 0, false));
        await second.DisposeAsync();
        CheckpointManager third = Start(new SampleTraining(), afresh: true);
        (third.Resume.IsFresh, third.Resume.LostSteps, third.Resume.LostAtLeast).ShouldBe((true, 0, false));
    }

    // It is never disposed, as after a kill.
    private void Kill(int made, TimeSpan perBatch)
    {
        var first = new SampleTraining();
        Batches(first, Start(first), made, perBatch);
    }

    private void Batches(SampleTraining training, CheckpointManager checkpoints, int count, TimeSpan perBatch)
    {
        for (int i = 0; i < count; i++)
        {
            _time.Advance(perBatch);
            training.Batch();
            checkpoints.AfterBatch();
        }
    }

    private CheckpointManager Start(SampleTraining training, bool afresh = false) => CheckpointManager.Start(
        _disk, new CheckpointOptions { SnapshotEvery = 20, CheckpointEvery = 1000, Asynchronous = false, HandleSignals = false, AutoResume = !afresh }, training.Train, [training.Weights], _log, _time);
}
