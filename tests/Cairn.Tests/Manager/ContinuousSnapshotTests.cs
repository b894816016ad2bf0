using Cairn.Policies;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.Manager;

/// <summary>Snapshots without an interval: <c>SnapshotEvery = "auto"</c>. A step takes one second of a clock that the test moves.</summary>
public class ContinuousSnapshotTests
{
    private static readonly TimeSpan OneStep = TimeSpan.FromSeconds(1);

    private readonly SimulatedFileSystem _files = new();
    private readonly FakeTimeProvider _time = new();
    private readonly SampleTraining _training = new();
    private readonly List<SaveReport> _reports = [];

    private static CheckpointOptions Options(bool asynchronous) => new()
    {
        Folder = "run", CheckpointEvery = 1000, SnapshotEvery = CheckpointOptions.Auto, HandleSignals = false, Asynchronous = asynchronous,
    };

    [Fact]
    public async Task The_next_one_begins_when_the_store_has_the_last_and_not_before()
    {
        using var files = new GatedFileSystem(_files);
        await using CheckpointManager checkpoints = Start(files, Options(asynchronous: true));
        long first;
        try
        {
            files.Close();
            TrainUntilSaving(checkpoints);
            first = _training.Train.Step;
            for (int i = 0; i < 4; i++)
            {
                for (int step = 0; step < 7; step++)
                    Train(checkpoints);
                // Nothing was left out because the one before was not finished: none was begun.
                _reports.Count.ShouldBe(i);
                files.Open();
                checkpoints.WaitForSave();
                files.Close();
                Train(checkpoints);
                checkpoints.IsSaving.ShouldBeTrue();
            }
        }
        finally
        {
            // Whatever was found: the end waits for the save under way.
            files.Open();
        }
        _reports.ShouldAllBe(report => report.Kind == SaveKind.Snapshot && report.Outcome == SaveOutcome.Saved);
        _reports.Select(report => report.Step).ShouldBe([first, first + 8, first + 16, first + 24]);
        // The end, as ever.
        checkpoints.Complete().FinalCheckpoint.ShouldBe($"{_training.Train.Step}");
        Directories("snapshot").ShouldBe(["0", "1"]);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task Training_waits_no_longer_than_the_budget_allows(bool asynchronous)
    {
        // Each capture takes 0.2 s, which 20 s earn at one percent.
        var slow = new SlowCapture(_time, TimeSpan.FromSeconds(0.2));
        await using CheckpointManager checkpoints = Start(_files, Options(asynchronous), slow);
        DateTimeOffset start = _time.GetUtcNow();
        TimeSpan stall = TimeSpan.Zero;
        checkpoints.SaveEnded += (_, report) => stall += report.Stall;
        for (int i = 0; i < 900; i++)
        {
            Train(checkpoints);
            checkpoints.WaitForSave();
            stall.ShouldBeLessThanOrEqualTo((_time.GetUtcNow() - start) * 0.01 + slow.Longest);
        }
        Train(checkpoints);
        _reports.Count(report => report.Kind == SaveKind.Snapshot).ShouldBeInRange((int)(900 * 0.01 / slow.Longest.TotalSeconds) - 2, (int)(900 * 0.01 / slow.Longest.TotalSeconds) + 1);
        checkpoints.Complete();
    }

    [Fact]
    public async Task Checkpoints_stay_at_their_steps_and_no_step_is_saved_twice()
    {
        CheckpointOptions options = Options(asynchronous: false);
        options.CheckpointEvery = 10;
        await using CheckpointManager checkpoints = Start(_files, options);
        for (int batch = 1; batch <= 60; batch++)
            Train(checkpoints, overflow: batch % 3 == 0);
        checkpoints.Complete();
        Steps(SaveKind.Checkpoint).ShouldBe([10, 20, 30, 40]);
        Steps(SaveKind.Snapshot).ShouldBeUnique();
        // When a save is over is seen a step later: what begins at the step before a checkpoint might be in its way.
        Steps(SaveKind.Snapshot).ShouldBe(Enumerable.Range(1, 40).Where(step => step % 10 is > 0 and < 9).Select(step => (long)step));
    }

    [Fact]
    public async Task A_run_that_is_killed_goes_on_from_its_last_snapshot_as_if_nothing_had_happened()
    {
        // It is never disposed, as after a kill.
        CheckpointManager killed = Start(_files, Options(asynchronous: false));
        for (int i = 0; i < 17; i++)
            Train(killed);
        var again = new SampleTraining();
        await using (CheckpointManager checkpoints = CheckpointManager.Start(_files, Options(asynchronous: false), again.Train, [again.Weights], time: _time, cancellationToken: TestContext.Current.CancellationToken))
        {
            checkpoints.Resume.Step.ShouldBe(17);
            again.TrainTo(checkpoints, 40);
        }
        var whole = new SampleTraining();
        while (whole.Train.Step < 40)
            whole.Batch();
        again.Weights.Value.ShouldBe(whole.Weights.Value);
    }

    [Fact]
    public void The_journal_and_the_log_name_the_rule()
    {
        Options(asynchronous: true).CreateSchedule().SnapshotPolicy.Describe.ShouldBe("when the last save is complete, while saves take at most 1 % of the time");
        new CheckpointOptions { SnapshotEvery = CheckpointOptions.Auto, SnapshotInterval = TimeSpan.FromMinutes(5) }.CreateSchedule().SnapshotPolicy.Describe.ShouldEndWith(" or every 00:05:00");
        new CheckpointOptions { SnapshotEvery = CheckpointOptions.Auto, SnapshotPolicy = SavePolicy.Never }.CreateSchedule().SnapshotPolicy.Describe.ShouldBe("never");
    }

    private CheckpointManager Start(IFileSystem files, CheckpointOptions options, params IStatePart[] more)
    {
        CheckpointManager checkpoints = CheckpointManager.Start(files, options, _training.Train, [_training.Weights, .. more], time: _time, cancellationToken: TestContext.Current.CancellationToken);
        checkpoints.SaveEnded += (_, report) => _reports.Add(report);
        return checkpoints;
    }

    private void Train(CheckpointManager checkpoints, bool overflow = false)
    {
        _time.Advance(OneStep);
        _training.Batch(overflow);
        checkpoints.AfterBatch();
    }

    // The first waits until the memory for it is ready, which no test can tell the time of.
    private void TrainUntilSaving(CheckpointManager checkpoints) => SaveWaiting.Until(() =>
    {
        Train(checkpoints);
        return checkpoints.IsSaving;
    }, "no snapshot begins");

    private IEnumerable<long> Steps(SaveKind kind) => _reports.Where(report => report.Kind == kind && report.IsComplete).Select(report => report.Step);

    private IEnumerable<string> Directories(string folder) => _files.List(folder).Where(entry => entry.IsFolder).Select(entry => entry.Name).Order(StringComparer.Ordinal);

    /// <summary>A part whose copy takes a time of the test's clock.</summary>
    private sealed class SlowCapture(FakeTimeProvider time, TimeSpan each) : IStatePart
    {
        public string Name => "slow";

        /// <summary>The longest stall of a save: it asks for the state once.</summary>
        public TimeSpan Longest => each;

        public StateMap Capture()
        {
            time.Advance(each);
            return new StateMap { { "x", new MemoryTensor(TensorType.U8, [1], new byte[1]) } };
        }

        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) { }
    }
}
