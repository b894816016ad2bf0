using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Stores;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.Manager;

/// <summary>A trainer that lost its run to another one: it trains on and says so, and what the other one writes stays whole.</summary>
public sealed class LostLockTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly LocalFileSystem _files;

    public LostLockTests() => _files = new LocalFileSystem(_folder.Path);

    public void Dispose() => _folder.Dispose();

    [Theory, InlineData(true), InlineData(false)]
    public async Task Nothing_is_published_by_a_trainer_whose_run_was_taken_over(bool asynchronous)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "an open file cannot be removed there");
        var training = new SampleTraining();
        CheckpointManager checkpoints = training.Start(_files, Options(asynchronous));
        List<SaveReport> reports = [];
        checkpoints.SaveEnded += (_, report) => reports.Add(report);
        Batches(training, checkpoints, 2);
        checkpoints.WaitForSave();
        File.Delete(_folder[RunLock.FileName]);
        using (RunLock other = RunLock.Acquire(_files, TimeProvider.System, cancellationToken: TestContext.Current.CancellationToken))
        {
            string[] before = Snapshot();
            Batches(training, checkpoints, 4);
            training.Train.Step.ShouldBe(6, "training goes on");
            Should.Throw<CheckpointException>(checkpoints.Complete).InnerException.ShouldBeOfType<RunLockLostException>().Message.ShouldContain("saves nothing any more");
            reports.Where(report => report.Step > 2).ShouldAllBe(report => report.Outcome != SaveOutcome.Saved);
            reports.ShouldContain(report => report.Error is RunLockLostException);
            Snapshot().ShouldBe(before);
        }
        _ = await Record.ExceptionAsync(() => checkpoints.DisposeAsync().AsTask());
        var resumed = new SampleTraining();
        await using CheckpointManager next = resumed.Start(_files, Options(asynchronous));
        resumed.Train.Step.ShouldBe(2);
    }

    [Fact]
    public async Task A_trainer_whose_run_was_taken_over_neither_says_where_it_stands_nor_takes_the_others_commands()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "an open file cannot be removed there");
        var time = new FakeTimeProvider();
        var training = new SampleTraining();
        CheckpointManager checkpoints = CheckpointManager.Start(_files, Options(asynchronous: false), training.Train, [training.Weights], NullLoggerFactory.Instance, time, cancellationToken: TestContext.Current.CancellationToken);
        Batches(training, checkpoints, 2);
        File.Delete(_folder[RunLock.FileName]);
        using (RunLock other = RunLock.Acquire(_files, TimeProvider.System, cancellationToken: TestContext.Current.CancellationToken))
        {
            // The next save finds out.
            Batches(training, checkpoints, 2);
            string progress = File.ReadAllText(_folder[RunFolder.Progress]);
            File.WriteAllText(_folder[RunFolder.Command], "stop\n");
            for (int i = 0; i < 3; i++)
            {
                time.Advance(TimeSpan.FromSeconds(2));
                Batches(training, checkpoints, 1);
            }
            File.ReadAllText(_folder[RunFolder.Progress]).ShouldBe(progress);
            checkpoints.StopRequested.ShouldBeFalse();
            File.Exists(_folder[RunFolder.Command]).ShouldBeTrue();
        }
        _ = await Record.ExceptionAsync(() => checkpoints.DisposeAsync().AsTask());
    }

    [Fact]
    public async Task A_marker_says_which_acquisition_of_the_lock_wrote_it()
    {
        for (int time = 1; time <= 2; time++)
        {
            var training = new SampleTraining();
            await using CheckpointManager checkpoints = training.Start(_files, Options(asynchronous: false));
            Batches(training, checkpoints, 1);
            RunLockHolder holder = RunLockHolder.FromJson(RegularFile.ReadAll(_folder[RunLock.FileName], 1 << 16))!;
            Marker marker = Catalog.Read(_files).Entries[0].Marker!;
            (marker.Fence, marker.Token).ShouldBe((holder.Fence, holder.Token));
            marker.Fence.ShouldBe(time);
        }
    }

    private string[] Snapshot() => [.. Directory.EnumerateFileSystemEntries(_folder.Path, "*", SearchOption.AllDirectories)
        .Where(path => !path.Contains(RunFolder.Staging, StringComparison.Ordinal) && !path.EndsWith(RunFolder.Journal, StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    private static void Batches(SampleTraining training, CheckpointManager checkpoints, int count)
    {
        for (int i = 0; i < count; i++)
        {
            training.Batch();
            checkpoints.AfterBatch();
        }
    }

    private CheckpointOptions Options(bool asynchronous) => new() { Folder = _folder.Path, CheckpointEvery = 2, SnapshotEvery = 1, Asynchronous = asynchronous, HandleSignals = false };
}
