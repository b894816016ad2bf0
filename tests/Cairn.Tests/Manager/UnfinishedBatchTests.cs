using System.Globalization;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager;

/// <summary>The end is saved unless training is known to have ended in the middle of a batch, and nothing is guessed from exceptions.</summary>
public class UnfinishedBatchTests
{
    readonly SimulatedFileSystem _files = new();
    readonly SampleTraining _training = new();

    static CheckpointOptions Options => new() { Folder = "run", CheckpointEvery = 100, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false };

    [Fact]
    public async Task An_exception_that_was_handled_on_any_thread_does_not_cost_the_end()
    {
        await using (CheckpointManager checkpoints = _training.Start(_files, Options))
        {
            Train(checkpoints, 7);
            Handled();
            var other = new Thread(Handled);
            other.Start();
            other.Join();
        }
        Steps().ShouldBe([7]);
    }

    [Fact]
    public async Task An_exception_between_two_batches_leaves_a_whole_state_which_is_saved()
    {
        await Should.ThrowAsync<InvalidOperationException>(async () =>
        {
            await using CheckpointManager checkpoints = _training.Start(_files, Options);
            Train(checkpoints, 7);
            throw new InvalidOperationException("the evaluation failed, say");
        });
        Steps().ShouldBe([7]);
    }

    [Fact]
    public async Task A_batch_that_was_begun_and_not_ended_is_not_saved_and_the_journal_says_which()
    {
        await using (CheckpointManager checkpoints = _training.Start(_files, Options))
        {
            Train(checkpoints, 7);
            checkpoints.BeginBatch();
        }
        Steps().ShouldBeEmpty();
        Journal().ShouldContain("batch 8 was begun and AfterBatch was not called after it");
        Journal().ShouldNotContain("exception");
    }

    [Fact]
    public async Task A_part_that_has_moved_says_that_a_batch_was_begun()
    {
        var part = new MarkedPart { MarksUpdates = false };
        await using (CheckpointManager checkpoints = Start(part))
        {
            Train(checkpoints, 7);
            part.ProgressMark++;
        }
        Steps().ShouldBeEmpty();
    }

    [Fact]
    public async Task Complete_in_a_finally_saves_no_half_updated_state_and_hides_no_exception()
    {
        var part = new MarkedPart { MarksUpdates = true };
        RunSummary? summary = null;
        var reports = new List<SaveReport>();
        InvalidOperationException error = await Should.ThrowAsync<InvalidOperationException>(async () =>
        {
            await using CheckpointManager checkpoints = Start(part);
            checkpoints.SaveEnded += (_, report) => reports.Add(report);
            try
            {
                Train(checkpoints, 7);
                part.ProgressMark++;
                throw new InvalidOperationException("out of memory, say");
            }
            finally
            {
                summary = checkpoints.Complete();
            }
        });
        error.Message.ShouldBe("out of memory, say");
        Steps().ShouldBeEmpty();
        summary!.EndNotSaved.ShouldNotBeNull().ShouldContain("batch 8 was begun");
        summary.ToString().ShouldContain("The end was not saved: batch 8 was begun");
        SaveReport report = reports.ShouldHaveSingleItem();
        (report.Step, report.Outcome).ShouldBe((7, SaveOutcome.Refused));
        report.Error.ShouldBeOfType<UnfinishedBatchException>();
    }

    [Fact]
    public async Task Complete_after_a_counted_batch_saves_it()
    {
        var part = new MarkedPart { MarksUpdates = true };
        await using CheckpointManager checkpoints = Start(part);
        Train(checkpoints, 7);
        checkpoints.BeginBatch();
        part.ProgressMark++;
        _training.Batch();
        checkpoints.Complete().FinalCheckpoint.ShouldBe("8");
    }

    [Fact]
    public async Task Complete_saves_the_end_though_data_was_drawn_ahead()
    {
        var part = new MarkedPart { MarksUpdates = false };
        await using CheckpointManager checkpoints = Start(part);
        Train(checkpoints, 7);
        part.ProgressMark++;
        checkpoints.Complete().FinalCheckpoint.ShouldBe("7");
    }

    [Fact]
    public async Task Run_trains_to_the_end_and_saves_it()
    {
        CheckpointOptions options = Options;
        options.TotalSteps = 5;
        await using CheckpointManager checkpoints = _training.Start(_files, options);
        checkpoints.Run(() => _training.Batch()).FinalCheckpoint.ShouldBe("5");
        Steps().ShouldBe([5]);
    }

    [Fact]
    public async Task Run_passes_an_exception_of_its_body_on_and_saves_nothing_half_updated()
    {
        InvalidOperationException error = await Should.ThrowAsync<InvalidOperationException>(async () =>
        {
            await using CheckpointManager checkpoints = _training.Start(_files, Options);
            await checkpoints.RunAsync(_ =>
            {
                _training.Weights.Value += 1;
                if (_training.Train.Step == 6)
                    throw new InvalidOperationException("the batch is bad");
                _training.Batch();
                return Task.CompletedTask;
            }, TestContext.Current.CancellationToken);
        });
        error.Message.ShouldBe("the batch is bad");
        Steps().ShouldBeEmpty();
        Journal().ShouldContain("batch 7 was ended by an exception (InvalidOperationException: the batch is bad)");
    }

    [Fact]
    public async Task Run_is_asked_to_stop_by_its_token_and_saves_the_batch_that_it_ended()
    {
        using var stop = new CancellationTokenSource();
        await using CheckpointManager checkpoints = _training.Start(_files, Options);
        RunSummary summary = await checkpoints.RunAsync(async _ =>
        {
            _training.Batch();
            if (_training.Train.Step == 3)
                await stop.CancelAsync();
        }, stop.Token);
        summary.FinalCheckpoint.ShouldBe("3");
    }

    [Fact]
    public async Task A_body_that_counts_nothing_ends_with_a_word_instead_of_running_for_ever()
    {
        await using CheckpointManager checkpoints = _training.Start(_files, Options);
        Should.Throw<InvalidOperationException>(() => checkpoints.Run(() => { })).Message.ShouldContain("counted no batch");
    }

    CheckpointManager Start(MarkedPart part) =>
        CheckpointManager.Start(_files, Options, _training.Train, [_training.Weights, part], cancellationToken: TestContext.Current.CancellationToken);

    void Train(CheckpointManager checkpoints, long until) => _training.TrainTo(checkpoints, until);

    static void Handled()
    {
        try
        {
            _ = int.Parse("no number", CultureInfo.InvariantCulture);
        }
        catch (FormatException)
        {
        }
    }

    IEnumerable<long> Steps() => Catalog.Read(_files).Entries.Where(entry => entry.Kind == SaveKind.Checkpoint).Select(entry => entry.Step);

    string Journal() => System.Text.Encoding.UTF8.GetString(SmallFile.Read(_files, RunFolder.Journal, 1 << 20));

    sealed class MarkedPart : IStatePart, IProgressMark
    {
        public ulong ProgressMark { get; set; }
        public bool MarksUpdates { get; set; }
        public string Name => "extra";
        public StateMap Capture() => new() { { "mark", (long)ProgressMark } };
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) { }
    }
}
