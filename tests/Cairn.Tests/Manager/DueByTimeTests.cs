using Cairn.Opening;
using Cairn.Policies;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.Manager;

/// <summary>Saves that are due by the clock.</summary>
public class DueByTimeTests
{
    readonly SimulatedFileSystem _files = new();
    readonly SampleTraining _training = new();

    static CheckpointOptions Options => new() { Folder = "run", CheckpointEvery = 100, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false };

    [Fact]
    public async Task A_checkpoint_by_the_clock_is_due_when_its_time_has_gone_by()
    {
        var time = new FakeTimeProvider();
        CheckpointOptions options = Options;
        options.CheckpointEvery = null;
        options.CheckpointInterval = TimeSpan.FromMinutes(10);
        await using CheckpointManager checkpoints = CheckpointManager.Start(_files, options, _training.Train, [_training.Weights], time: time, cancellationToken: TestContext.Current.CancellationToken);
        for (int minute = 1; minute <= 25; minute++)
        {
            time.Advance(TimeSpan.FromMinutes(1));
            _training.Batch();
            checkpoints.AfterBatch();
        }
        Steps().ShouldBe([20, 10]);
    }

    [Fact]
    public async Task A_clock_that_is_set_back_does_not_put_off_what_is_due_by_time()
    {
        var time = new SettableClock();
        CheckpointOptions options = Options;
        (options.CheckpointEvery, options.SnapshotInterval) = (null, TimeSpan.FromMinutes(10));
        await using CheckpointManager checkpoints = CheckpointManager.Start(_files, options, _training.Train, [_training.Weights], time: time, cancellationToken: TestContext.Current.CancellationToken);
        foreach (double jump in (double[])[0, -6, 30])
        {
            time.Jump(TimeSpan.FromHours(jump));
            time.Pass(TimeSpan.FromMinutes(9));
            Train(checkpoints, _training.Train.Step + 1);
            long before = checkpoints.LastSnapshot ?? 0;
            before.ShouldBeLessThan(_training.Train.Step);
            time.Pass(TimeSpan.FromMinutes(1));
            Train(checkpoints, _training.Train.Step + 1);
            checkpoints.LastSnapshot.ShouldBe(_training.Train.Step);
        }
    }

    sealed class SettableClock : TimeProvider
    {
        TimeSpan _passed, _jumped;

        public void Pass(TimeSpan time) => _passed += time;
        public void Jump(TimeSpan time) => _jumped += time;
        public override DateTimeOffset GetUtcNow() => new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero) + _passed + _jumped;
        public override long TimestampFrequency => TimeSpan.TicksPerSecond;
        public override long GetTimestamp() => 1 + _passed.Ticks;
    }

    void Train(CheckpointManager checkpoints, long until) => _training.TrainTo(checkpoints, until);

    IEnumerable<long> Steps() => Catalog.Read(_files).Entries.Where(entry => entry.Kind == SaveKind.Checkpoint).Select(entry => entry.Step);
}
