using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging;

namespace Cairn.Tests.Manager;

/// <summary>Told to stop in long work, or told and not listening.</summary>
public class StopRequestTests
{
    readonly SimulatedFileSystem _files = new();
    readonly SampleTraining _training = new();

    static CheckpointOptions Options => new() { Folder = "run", CheckpointEvery = 100, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false };

    [Fact]
    public async Task A_poll_in_long_work_between_batches_saves_the_end_when_told_to_stop()
    {
        await using CheckpointManager checkpoints = _training.Start(_files, Options);
        Train(checkpoints, 7);
        checkpoints.Poll().ShouldBeFalse();
        Steps().ShouldBeEmpty();
        checkpoints.RequestStop();
        checkpoints.Poll().ShouldBeTrue();
        Steps().ShouldBe([7]);
        checkpoints.Poll().ShouldBeTrue();
        checkpoints.Complete().Saves.ShouldBe(1);
    }

    [Fact]
    public async Task A_poll_within_a_batch_says_stop_and_leaves_the_save_to_its_end()
    {
        await using CheckpointManager checkpoints = _training.Start(_files, Options);
        Train(checkpoints, 7);
        checkpoints.RequestStop();
        checkpoints.BeginBatch();
        checkpoints.Poll().ShouldBeTrue();
        Steps().ShouldBeEmpty();
        _training.Batch();
        checkpoints.AfterBatch().ShouldBeFalse();
        Steps().ShouldBe([8]);
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task A_signal_in_an_evaluation_or_right_before_it_saves_the_end_by_itself(bool before)
    {
        await using CheckpointManager checkpoints = _training.Start(_files, Options);
        var reports = new List<long>();
        checkpoints.SaveEnded += (_, report) => reports.Add(report.Step);
        Train(checkpoints, 7);
        if (before)
            Signal(checkpoints);
        using (checkpoints.BetweenBatches())
        {
            if (!before)
                Signal(checkpoints);
            Steps().ShouldBe([7]);
            reports.ShouldBeEmpty();
        }
        reports.ShouldBe([7]);
        checkpoints.StopRequested.ShouldBeTrue();
        checkpoints.Complete().Saves.ShouldBe(1);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_signal_after_a_part_of_an_evaluation_or_a_poll_in_it_saves_the_end_by_itself(bool nested)
    {
        await using CheckpointManager checkpoints = _training.Start(_files, Options);
        Train(checkpoints, 7);
        using (checkpoints.BetweenBatches())
        {
            if (nested)
                checkpoints.BetweenBatches().Dispose();
            else
                checkpoints.Poll().ShouldBeFalse();
            Signal(checkpoints);
            Steps().ShouldBe([7]);
        }
        checkpoints.Complete().Saves.ShouldBe(1);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_signal_while_the_state_may_change_touches_nothing(bool withinBatch)
    {
        await using CheckpointManager checkpoints = _training.Start(_files, Options);
        Train(checkpoints, 7);
        if (withinBatch)
        {
            _training.Batch();
            using (checkpoints.BetweenBatches())
                Signal(checkpoints);
        }
        else
        {
            checkpoints.BetweenBatches().Dispose();
            Signal(checkpoints);
            _training.Batch();
        }
        Steps().ShouldBeEmpty();
        checkpoints.AfterBatch().ShouldBeFalse();
        Steps().ShouldBe([8]);
    }

    static void Signal(CheckpointManager checkpoints)
    {
        var thread = new Thread(() => checkpoints.Signal("SIGTERM"));
        thread.Start();
        thread.Join();
    }

    [Fact]
    public async Task Training_that_does_not_listen_is_told_again_at_growing_intervals_and_its_work_is_saved()
    {
        using var log = new RecordedLog();
        CheckpointOptions options = Options;
        options.CheckpointEvery = 10;
        await using (CheckpointManager checkpoints = CheckpointManager.Start(_files, options, _training.Train, [_training.Weights], log, cancellationToken: TestContext.Current.CancellationToken))
        {
            Train(checkpoints, 4);
            checkpoints.RequestStop();
            Train(checkpoints, 25);
        }
        Steps().ShouldBe([25, 20, 10, 5]);
        log.At(LogLevel.Error).ShouldBe(
            ((long[])[1, 2, 4, 8, 16]).Select(batches => $"Training goes on after its end, by {batches} {(batches == 1 ? "batch" : "batches")} so far (it was told to stop). Leave the loop when AfterBatch returns false. What it makes is saved when it is due and at the end"));
    }

    [Fact]
    public async Task Steps_after_Complete_are_saved_and_it_is_said()
    {
        using var log = new RecordedLog();
        CheckpointOptions options = Options;
        options.CheckpointEvery = 10;
        await using (CheckpointManager checkpoints = CheckpointManager.Start(_files, options, _training.Train, [_training.Weights], log, cancellationToken: TestContext.Current.CancellationToken))
        {
            Train(checkpoints, 4);
            checkpoints.Complete().Steps.ShouldBe(4);
            Train(checkpoints, 12);
        }
        Steps().ShouldBe([12, 10, 4]);
        log.At(LogLevel.Warning).ShouldContain(line => line.Contains("Complete was called", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_step_counted_after_Complete_without_AfterBatch_is_not_lost_without_a_word()
    {
        await using (CheckpointManager checkpoints = _training.Start(_files, Options))
        {
            Train(checkpoints, 4);
            checkpoints.Complete();
            _training.Batch();
        }
        System.Text.Encoding.UTF8.GetString(SmallFile.Read(_files, RunFolder.Journal, 1 << 20)).ShouldContain("batch 5 was counted and AfterBatch was not called after it");
    }

    [Fact]
    public async Task A_run_that_was_finished_early_is_finished_when_started_again()
    {
        await using (CheckpointManager checkpoints = _training.Start(_files, Options))
        {
            // The step has its checkpoint before the end is decided.
            checkpoints.RequestSave();
            Train(checkpoints, 4);
            Train(checkpoints, 5);
            checkpoints.RequestSave();
            Train(checkpoints, 6);
            _training.Train.Finish("the loss does not fall");
            checkpoints.Complete();
        }
        (await RestartedAsync(Options)).FinishedBecause.ShouldBe("the loss does not fall");
        (await RestartedAsync(Options)).IsComplete.ShouldBeTrue();
        CheckpointOptions more = Options;
        more.TotalSteps = 50;
        (await RestartedAsync(more)).IsComplete.ShouldBeFalse();
        CheckpointOptions older = Options;
        (older.ResumeFrom, older.Branch) = ("1", "again");
        (await RestartedAsync(older)).IsComplete.ShouldBeFalse();
        // The other line comes to that step as well.
        var again = new SampleTraining();
        await using (CheckpointManager checkpoints = again.Start(_files, older))
        {
            again.TrainTo(checkpoints, 6);
        }
        (await RestartedAsync(older)).Step.ShouldBe(6);
        (await RestartedAsync(older)).IsComplete.ShouldBeFalse();
    }

    [Fact]
    public async Task Finish_ends_the_loop_with_a_checkpoint_and_Reopen_goes_on()
    {
        await using CheckpointManager checkpoints = _training.Start(_files, Options);
        Train(checkpoints, 4);
        _training.Batch();
        _training.Train.Finish("enough");
        checkpoints.AfterBatch().ShouldBeFalse();
        Steps().ShouldBe([5]);
        _training.Train.Reopen();
        _training.Train.IsComplete.ShouldBeFalse();
        _training.Batch();
        checkpoints.AfterBatch().ShouldBeTrue();
    }

    async Task<TrainState> RestartedAsync(CheckpointOptions options)
    {
        var again = new SampleTraining();
        await using CheckpointManager checkpoints = again.Start(_files, options);
        return again.Train;
    }

    void Train(CheckpointManager checkpoints, long until) => _training.TrainTo(checkpoints, until);

    IEnumerable<long> Steps() => Catalog.Read(_files).Entries.Where(entry => entry.Kind == SaveKind.Checkpoint).Select(entry => entry.Step);
}
