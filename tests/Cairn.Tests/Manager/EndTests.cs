using Cairn.Opening;
using Cairn.Policies;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager;

/// <summary>However training ends, and whatever asks for a save.</summary>
public class EndTests
{
    readonly SimulatedFileSystem _files = new();
    readonly SampleTraining _training = new();

    static CheckpointOptions Options => new() { Folder = "run", CheckpointEvery = 100, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false };

    [Fact]
    public async Task Disposal_after_success_saves_the_end()
    {
        await using (CheckpointManager checkpoints = _training.Start(_files, Options))
            Train(checkpoints, 7);
        Steps().ShouldBe([7]);
    }

    [Fact]
    public async Task Disposal_by_an_exception_in_the_middle_of_a_batch_saves_nothing_that_may_be_torn()
    {
        await Should.ThrowAsync<InvalidOperationException>(async () =>
        {
            await using CheckpointManager checkpoints = _training.Start(_files, Options);
            Train(checkpoints, 7);
            _training.Batch();
            throw new InvalidOperationException("out of memory, say");
        });
        Steps().ShouldBeEmpty();
    }

    [Fact]
    public async Task The_last_background_save_is_not_lost_at_disposal()
    {
        CheckpointOptions options = Options;
        options.Asynchronous = true;
        await using (CheckpointManager checkpoints = _training.Start(_files, options))
        {
            Train(checkpoints, 7);
            checkpoints.RequestSave();
            checkpoints.AfterBatch();
        }
        Steps().ShouldBe([7]);
    }

    [Fact]
    public async Task A_request_to_stop_saves_and_ends()
    {
        await using CheckpointManager checkpoints = _training.Start(_files, Options);
        Train(checkpoints, 7);
        checkpoints.RequestStop();
        _training.Batch();
        checkpoints.AfterBatch().ShouldBeFalse();
        checkpoints.Complete().FinalCheckpoint.ShouldBe("8");
        Catalog.Read(_files).Entries[0].Marker!.Reason.ShouldBe(SaveReason.Stop);
        checkpoints.Complete().Saves.ShouldBe(1);
    }

    [Fact]
    public async Task A_request_to_save_saves_once_and_goes_on()
    {
        await using CheckpointManager checkpoints = _training.Start(_files, Options);
        checkpoints.RequestSave();
        Train(checkpoints, 3);
        Steps().ShouldBe([1]);
        Catalog.Read(_files).Entries[0].Marker!.Reason.ShouldBe(SaveReason.Manual);
    }

    [Fact]
    public async Task Whoever_trains_on_past_the_end_is_not_saved_at_every_step()
    {
        CheckpointOptions options = Options;
        options.TotalSteps = 5;
        await using CheckpointManager checkpoints = _training.Start(_files, options);
        Train(checkpoints, 9);
        Steps().ShouldBe([5]);
        checkpoints.Complete();
        Steps().ShouldBe([9, 5]);
    }

    [Fact]
    public async Task A_part_that_cannot_be_captured_costs_the_save_and_not_the_run()
    {
        var part = new FailingPart();
        CheckpointOptions options = Options;
        options.CheckpointEvery = 2;
        options.Asynchronous = true;
        await using CheckpointManager checkpoints = CheckpointManager.Start(_files, options, _training.Train, [_training.Weights, part], cancellationToken: TestContext.Current.CancellationToken);
        var outcomes = new List<SaveOutcome>();
        checkpoints.SaveEnded += (_, report) => outcomes.Add(report.Outcome);
        part.Fails = true;
        Train(checkpoints, 2);
        part.Fails = false;
        Train(checkpoints, 4);
        checkpoints.Complete();
        outcomes.ShouldBe([SaveOutcome.Failed, SaveOutcome.Saved]);
    }

    [Fact]
    public async Task A_background_save_that_fails_does_not_make_disposal_doubt_the_end()
    {
        var breakable = new BreakableFileSystem(_files);
        CheckpointOptions options = Options;
        options.CheckpointEvery = 3;
        options.Asynchronous = true;
        await using (CheckpointManager checkpoints = _training.Start(breakable, options))
        {
            breakable.BreakAt(0);
            Train(checkpoints, 3);
            checkpoints.WaitForSave();
            breakable.Mend();
        }
        Steps().ShouldBe([3]);
    }

    [Fact]
    public async Task A_run_without_a_step_has_no_checkpoint_and_says_so()
    {
        await using CheckpointManager checkpoints = _training.Start(_files, Options);
        _training.Batch(overflow: true);
        checkpoints.AfterBatch();
        checkpoints.Complete().ToString().ShouldContain("No checkpoint was saved");
        Steps().ShouldBeEmpty();
    }

    [Fact]
    public async Task Switched_off_it_saves_nothing_and_still_resumes()
    {
        await using (CheckpointManager checkpoints = _training.Start(_files, Options))
            Train(checkpoints, 7);
        CheckpointOptions off = Options;
        off.Enabled = false;
        var second = new SampleTraining();
        await using (CheckpointManager checkpoints = second.Start(_files, off))
        {
            checkpoints.Resume.Step.ShouldBe(7);
            second.Batch();
            checkpoints.AfterBatch();
            checkpoints.Complete();
        }
        Steps().ShouldBe([7]);
    }

    [Fact]
    public async Task A_checkpoint_waits_for_the_save_before_it_and_a_snapshot_is_dropped_and_said_so()
    {
        using var gate = new GatedFileSystem(_files);
        var options = new CheckpointOptions { Folder = "run", CheckpointEvery = 3, SnapshotEvery = 1, HandleSignals = false };
        await using CheckpointManager checkpoints = _training.Start(gate, options);
        var reports = new List<(SaveOutcome, SaveKind, long)>();
        checkpoints.SaveEnded += (_, report) => reports.Add((report.Outcome, report.Kind, report.Step));
        gate.Close();
        Train(checkpoints, 2);
        reports.ShouldBe([(SaveOutcome.Dropped, SaveKind.Snapshot, 2)]);
        _ = Task.Run(gate.Open, TestContext.Current.CancellationToken);
        Train(checkpoints, 3);
        checkpoints.Complete();
        reports.ShouldBe([(SaveOutcome.Dropped, SaveKind.Snapshot, 2), (SaveOutcome.Saved, SaveKind.Snapshot, 1), (SaveOutcome.Saved, SaveKind.Checkpoint, 3)]);
    }

    [Fact]
    public async Task When_more_is_planned_after_the_end_the_new_end_is_saved_as_well()
    {
        CheckpointOptions options = Options;
        options.TotalSteps = 3;
        await using CheckpointManager checkpoints = _training.Start(_files, options);
        Train(checkpoints, 3);
        _training.Train.TotalSteps = 5;
        _training.Batch();
        checkpoints.AfterBatch().ShouldBeTrue();
        _training.Batch();
        checkpoints.AfterBatch().ShouldBeFalse();
        Steps().ShouldBe([5, 3]);
    }

    [Fact]
    public async Task A_batch_that_is_counted_after_Complete_is_saved_by_the_next_one()
    {
        await using CheckpointManager checkpoints = _training.Start(_files, Options);
        Train(checkpoints, 3);
        checkpoints.Complete();
        _training.Batch();
        checkpoints.Complete().FinalCheckpoint.ShouldBe("4");
        Steps().ShouldBe([4, 3]);
    }

    [Fact]
    public async Task A_listener_that_throws_does_not_keep_the_end_from_being_saved()
    {
        CheckpointOptions options = Options;
        (options.Asynchronous, options.SnapshotEvery) = (true, 2);
        CheckpointManager checkpoints = _training.Start(_files, options);
        checkpoints.SaveEnded += (_, _) => throw new InvalidDataException("the listener");
        Train(checkpoints, 2);
        (await Should.ThrowAsync<InvalidDataException>(async () => await checkpoints.DisposeAsync())).Message.ShouldBe("the listener");
        Steps().ShouldContain(2);
        Catalog.Read(_files).Entries.ShouldContain(entry => entry.Kind == SaveKind.Checkpoint);
    }

    [Fact]
    public async Task An_end_that_fails_at_disposal_is_told_when_a_failed_save_ends_training_too()
    {
        var breakable = new BreakableFileSystem(_files);
        CheckpointOptions options = Options;
        options.FailOnError = true;
        CheckpointManager checkpoints = _training.Start(breakable, options);
        Train(checkpoints, 2);
        breakable.BreakAt(0);
        await Should.ThrowAsync<CheckpointException>(async () => await checkpoints.DisposeAsync());
    }

    [Fact]
    public async Task Names_that_were_cut_off_within_a_character_keep_nothing_from_being_saved()
    {
        await using (CheckpointManager checkpoints = _training.Start(_files, Options))
        {
            _training.Train.SkipBatch("bad sample \ud83d");
            _training.Batch();
            _training.Train.Metrics["loss \ud83d"] = 1;
            checkpoints.AfterBatch();
            _training.Train.Finish("enough \ud83d");
            checkpoints.Complete().FinalCheckpoint.ShouldBe("1");
        }
        var second = new SampleTraining();
        await using CheckpointManager again = second.Start(_files, Options);
        second.Train.SkipsByReason.Keys.ShouldBe(["bad sample \ufffd"]);
        second.Train.Metrics["loss \ud83d"].ShouldBe(1);
        second.Train.FinishedBecause.ShouldBe(_training.Train.FinishedBecause);
    }

    sealed class FailingPart : Cairn.State.IStatePart
    {
        public bool Fails { get; set; }
        public string Name => "extra";
        public Cairn.State.StateMap Capture() => Fails ? throw new CheckpointException("no memory, say") : new() { { "a", 1L } };
        public void Check(Cairn.State.StateMap saved, Cairn.State.RestoreProblems problems) { }
        public void Restore(Cairn.State.StateMap saved) { }
    }

    void Train(CheckpointManager checkpoints, long until) => _training.TrainTo(checkpoints, until);

    IEnumerable<long> Steps() => Catalog.Read(_files).Entries.Where(entry => entry.Kind == SaveKind.Checkpoint).Select(entry => entry.Step);
}
