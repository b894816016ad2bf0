using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Ranks;
using Cairn.State;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager;

/// <summary>State that is still copied while the next batch is computed: it is the boundary's, or there is no copy.</summary>
public sealed class OverlapTests : IAsyncDisposable
{
    private readonly SimulatedFileSystem _files = new();
    private readonly TrainState _train = new();
    private readonly SlowPart _model = new();
    private readonly List<SaveReport> _reports = [];
    private readonly CheckpointManager _checkpoints;

    public OverlapTests() => _checkpoints = Start();

    public async ValueTask DisposeAsync()
    {
        _model.Gate.Set();
        await _checkpoints.DisposeAsync();
    }

    [Fact]
    public async Task The_next_batch_is_computed_while_the_state_is_copied_and_the_update_waits()
    {
        Batch(1);
        CloseGate();
        Batch(2);
        // A forward pass.
        _model.Statistics++;
        var update = Task.Run(() =>
        {
            _checkpoints.BeforeUpdate();
            _model.Change(3);
        }, TestContext.Current.CancellationToken);
        _model.Reached.Wait(TestContext.Current.CancellationToken);
        update.IsCompleted.ShouldBeFalse();
        _reports.ShouldNotContain(report => report.Step == 2);
        _model.Gate.Set();
        await update;
        Count();
        Saved(2).ShouldBe((2, 2, 2));
    }

    [Fact]
    public void Who_forgets_to_say_that_the_update_comes_is_told_so_and_no_torn_copy_is_made()
    {
        Batch(1);
        CloseGate();
        Batch(2);
        _model.Reached.Wait(TestContext.Current.CancellationToken);
        // One tensor is copied, the other is not: this is what a torn copy would be made of.
        _model.Change(3);
        _model.Gate.Set();
        _train.CompleteStep(samples: 1, loss: 1.0);
        Should.Throw<InvalidOperationException>(() => _checkpoints.AfterBatch()).Message.ShouldSatisfyAllConditions(
            message => message.ShouldContain("BeforeUpdate()"), message => message.ShouldContain("step 2"));
        _checkpoints.AfterBatch().ShouldBeTrue();
        _checkpoints.BeforeUpdate();
        _checkpoints.WaitForSave();
        _reports.Single(report => report.Step == 2).ShouldSatisfyAllConditions(
            report => report.Outcome.ShouldBe(SaveOutcome.Failed), report => report.Error.ShouldBeOfType<InvalidOperationException>());
        Catalog.Read(_files).Entries.ShouldAllBe(entry => entry.Step != 2 && entry.Marker != null && Verifier.Verify(_files, entry, default) == null);
        Saved(1).ShouldBe((1, 1, 1));
        // Who does it from then on is saved as ever.
        _checkpoints.BeforeUpdate();
        _model.Change(4);
        Count();
        _checkpoints.BeforeUpdate();
        Saved(4).ShouldBe((4, 4, 2));
    }

    [Fact]
    public void A_skipped_batch_updates_nothing_and_needs_no_word()
    {
        Batch(1);
        _train.SkipBatch(TrainState.OverflowReason);
        _checkpoints.AfterBatch().ShouldBeTrue();
        Saved(1).ShouldBe((1, 1, 1));
    }

    [Theory, InlineData("poll"), InlineData("between"), InlineData("complete"), InlineData("dispose")]
    public async Task Every_call_between_two_batches_ends_the_copy(string call)
    {
        Batch(1);
        await Call(call);
        if (call is "poll" or "between")
        {
            _model.Change(9);
            _checkpoints.WaitForSave();
        }
        Saved(1).ShouldBe((1, 1, 1));
    }

    // Whether the update had begun, nobody knows.
    [Fact]
    public async Task An_exception_in_the_next_batch_costs_the_copy_that_was_under_way_and_no_other()
    {
        Batch(1);
        Batch(2);
        await Should.ThrowAsync<FormatException>(_checkpoints.RunAsync(_ => throw new FormatException("in the forward pass"), TestContext.Current.CancellationToken));
        await _checkpoints.DisposeAsync();
        Saved(1).ShouldBe((1, 1, 1));
        Catalog.Read(_files).Entries.ShouldHaveSingleItem();
        _reports.ShouldContain(report => report.Step == 2 && report.Outcome == SaveOutcome.Failed && report.Error is UnfinishedBatchException);
    }

    [Theory, InlineData("dispose"), InlineData("complete"), InlineData("poll"), InlineData("between")]
    public async Task A_batch_that_was_begun_is_no_place_to_take_the_copy_for_whole(string call)
    {
        Batch(1);
        CloseGate();
        Batch(2);
        _model.Reached.Wait(TestContext.Current.CancellationToken);
        _checkpoints.BeginBatch();
        // Without a word, where it was said before.
        _model.Change(3);
        _model.Gate.Set();
        await Call(call);
        await _checkpoints.DisposeAsync();
        Catalog.Read(_files).Entries.Select(entry => entry.Step).ShouldBe([1]);
        Saved(1).ShouldBe((1, 1, 1));
    }

    [Fact]
    public async Task A_batch_that_was_begun_by_one_who_never_says_when_it_updates_may_have_torn_the_copy()
    {
        _checkpoints.BeginBatch();
        _model.Change(1);
        _train.CompleteStep(samples: 1, loss: 1.0);
        CloseGate();
        _checkpoints.AfterBatch();
        _model.Reached.Wait(TestContext.Current.CancellationToken);
        _checkpoints.BeginBatch();
        _model.Change(2);
        _model.Gate.Set();
        await _checkpoints.DisposeAsync();
        Catalog.Read(_files).Entries.ShouldBeEmpty();
        _reports.First().Error.ShouldBeOfType<UnfinishedBatchException>();
    }

    [Fact]
    public void A_tensor_that_cannot_be_read_costs_its_save_and_not_the_training()
    {
        _model.Fails = true;
        Batch(1);
        // Only when the copy is over.
        _checkpoints.BeforeUpdate();
        _model.Fails = false;
        Batch(2);
        _checkpoints.BeforeUpdate();
        _checkpoints.WaitForSave();
        _checkpoints.Poll();
        _reports.Single(report => report.Step == 1).Error!.Message.ShouldContain("cannot be read");
        Saved(2).ShouldBe((2, 2, 2));
    }

    [Fact]
    public void One_rank_that_forgets_it_ends_the_save_of_all()
    {
        var disk = new SimulatedFileSystem();
        var job = new JobOfThreads(disk);
        job.Run(JobTests.Four, rank =>
        {
            CheckpointOptions options = JobTests.Options(every: 1);
            options.OverlapCapture = true;
            CheckpointManager checkpoints = rank.Start(options);
            for (int step = 1; step <= 6; step++)
            {
                if (rank.Rank != 2 || step != 4)
                    checkpoints.BeforeUpdate();
                rank.Training.Batch();
                checkpoints.AfterBatch();
            }
        }, mayFail: true);
        job.Errors[2].ShouldBeOfType<InvalidOperationException>().Message.ShouldContain("BeforeUpdate()");
        foreach (int rank in (int[])[0, 1, 3])
            job.Errors[rank].ShouldBeOfType<RankFailedException>().Rank.ShouldBe(2);
        IReadOnlyList<CatalogEntry> left = Catalog.Read(disk).Entries;
        left.Select(entry => entry.Step).ShouldBe([2, 1]);
        left.ShouldAllBe(entry => Verifier.Verify(disk, entry, default) == null);
    }

    [Fact]
    public async Task Without_the_option_nobody_needs_to_say_anything()
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(new SimulatedFileSystem(), new CheckpointOptions { Folder = "run", CheckpointEvery = 1, SnapshotEvery = 0, HandleSignals = false });
        for (int i = 0; i < 3; i++)
        {
            training.Batch();
            if (i == 1)
                checkpoints.BeforeUpdate();
            checkpoints.AfterBatch().ShouldBeTrue();
        }
        checkpoints.Complete().FinalCheckpoint.ShouldBe("3");
    }

    private CheckpointManager Start()
    {
        CheckpointManager checkpoints = CheckpointManager.Start(
            _files, new CheckpointOptions { Folder = "run", CheckpointEvery = 1, SnapshotEvery = 0, OverlapCapture = true, HandleSignals = false }, _train, [_model], Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance);
        checkpoints.SaveEnded += (_, report) => _reports.Add(report);
        return checkpoints;
    }

    // What is copied from here on waits.
    private void CloseGate()
    {
        _checkpoints.Poll();
        _model.Gate.Reset();
        _model.Reached.Reset();
    }

    private async Task Call(string name)
    {
        switch (name)
        {
            case "poll":
                _checkpoints.Poll().ShouldBeFalse();
                break;
            case "between":
                _checkpoints.BetweenBatches().Dispose();
                break;
            case "complete":
                _checkpoints.Complete();
                break;
            default:
                await _checkpoints.DisposeAsync();
                break;
        }
    }

    private void Batch(int value)
    {
        _model.Statistics = value;
        _checkpoints.BeforeUpdate();
        _model.Change(value);
        Count();
    }

    private void Count()
    {
        _train.CompleteStep(samples: 1, loss: 1.0);
        _checkpoints.AfterBatch().ShouldBeTrue();
    }

    // The three values of the copy of a step; waits until it is there.
    private (float First, float Second, float Statistics) Saved(long step)
    {
        SaveWaiting.Until(() => Catalog.Read(_files).Entries.Any(entry => entry.Step == step && entry.Marker is not null), $"there is no copy of step {step}");
        using LoadedCheckpoint opened = CheckpointReader.Open(_files, $"{step}");
        StateMap saved = opened.Load("model");
        return (Value("first"), Value("second"), Value("statistics"));

        float Value(string name)
        {
            byte[] bytes = new byte[4];
            ((StateTensor)saved[name]).CopyTo(0, bytes);
            return BitConverter.ToSingle(bytes);
        }
    }
}
