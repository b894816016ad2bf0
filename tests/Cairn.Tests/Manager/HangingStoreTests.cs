using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.State;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.Manager;

/// <summary>A mount that hangs, and a system that gives no thread: training goes on, the end is reached, and all is well when it is over.</summary>
public class HangingStoreTests
{
    readonly SimulatedFileSystem _files = new();
    readonly SampleTraining _training = new();
    readonly FakeTimeProvider _time = new();

    static CheckpointOptions Options(bool asynchronous) => new()
    {
        Folder = "run", CheckpointEvery = 5, SnapshotEvery = 0, HandleSignals = false, Asynchronous = asynchronous, StoreTimeout = TimeSpan.FromMinutes(10),
    };

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_save_that_hangs_costs_itself_and_is_named_and_later_ones_succeed(bool asynchronous)
    {
        using var files = new HangingFileSystem(_files);
        using var hangs = new ManualResetEventSlim();
        await using CheckpointManager checkpoints = Start(files, Options(asynchronous));
        var reports = new List<SaveReport>();
        checkpoints.SaveEnded += (_, report) => reports.Add(report);
        Train(checkpoints, 4);
        // Once it hangs, eleven minutes go by.
        files.Hang(path => path.StartsWith(".staging/5/model", StringComparison.Ordinal), () =>
        {
            _time.Advance(TimeSpan.FromMinutes(11));
            hangs.Set();
        });
        Train(checkpoints, 9);
        hangs.Wait(TestContext.Current.CancellationToken);
        Train(checkpoints, 10);
        SaveReport failed = reports.First(report => report.Outcome == SaveOutcome.Failed);
        failed.Error!.Message.ShouldContain("the save of step 5 hangs in");
        failed.Error.Message.ShouldContain(".staging/5/model");
        files.ComeBack();
        checkpoints.WaitForSave();
        Train(checkpoints, 15);
        checkpoints.Complete();
        // What was written from the state as it changed is no copy; what had its own memory is.
        Steps().ShouldBe(asynchronous ? [15, 5] : [15]);
        foreach (CatalogEntry entry in Catalog.Read(_files).Entries)
            Verifier.Verify(_files, entry, TestContext.Current.CancellationToken).ShouldBeNull();
    }

    [Fact]
    public async Task The_end_is_reached_though_the_store_hangs_and_the_error_says_where()
    {
        using var files = new HangingFileSystem(_files);
        CheckpointManager checkpoints = Start(files, Options(asynchronous: true));
        Train(checkpoints, 3);
        files.Hang(path => path.StartsWith(".staging", StringComparison.Ordinal), () => _time.Advance(TimeSpan.FromMinutes(11)));
        Should.Throw<CheckpointException>(checkpoints.Complete).Message.ShouldContain("the save of step 3 hangs in");
        (await Should.ThrowAsync<CheckpointException>(async () => await checkpoints.DisposeAsync())).Message.ShouldContain("hangs in");
        files.ComeBack();
    }

    [Fact]
    public async Task An_end_whose_background_save_hangs_is_not_said_to_be_saved()
    {
        using var files = new HangingFileSystem(_files);
        using var hangs = new ManualResetEventSlim();
        await using CheckpointManager checkpoints = Start(files, Options(asynchronous: true));
        files.Hang(path => path.StartsWith(".staging", StringComparison.Ordinal), () =>
        {
            _time.Advance(TimeSpan.FromMinutes(11));
            hangs.Set();
        });
        Train(checkpoints, 5);
        hangs.Wait(TestContext.Current.CancellationToken);
        Should.Throw<CheckpointException>(checkpoints.Complete).Message.ShouldContain("the save of step 5 hangs in");
        files.ComeBack();
        checkpoints.WaitForSave();
        checkpoints.Complete().FinalCheckpoint.ShouldBe("5");
    }

    [Fact]
    public async Task A_journal_that_hangs_does_not_hold_training_up()
    {
        using var files = new HangingFileSystem(_files);
        CheckpointOptions options = Options(asynchronous: true);
        options.StoreTimeout = TimeSpan.FromMilliseconds(50);
        await using CheckpointManager checkpoints = Start(files, options);
        files.Hang(path => path.StartsWith("journal", StringComparison.Ordinal) || path.StartsWith("progress", StringComparison.Ordinal), static () => { });
        Train(checkpoints, 12);
        checkpoints.Complete().FinalCheckpoint.ShouldBe("12");
        files.ComeBack();
    }

    [Fact]
    public void Without_a_thread_training_waits_for_the_save_and_it_is_said()
    {
        _files.CreateFolder("");
        using var engine = new SaveEngine(new DiskHome(_files), Options(asynchronous: true), TimeProvider.System, RankGroup.Single) { Writer = { StartThread = static (_, _) => false } };
        foreach (long step in new[] { 5L, 10L })
        {
            engine.Save([new RankPart("model", PartScope.Shared, _training.Weights.Capture())], MarkerOf(step), 0, background: true, RankGroup.Single, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1)).ShouldBeNull();
            engine.Writer.IsBusy.ShouldBeFalse();
            SaveReport report = engine.Writer.Collect().ShouldNotBeNull();
            report.Outcome.ShouldBe(SaveOutcome.Saved, report.Error?.ToString());
            report.Notes.ShouldHaveSingleItem().ShouldContain("No thread could be started for the save of step");
        }
        Steps().ShouldBe([10, 5]);
    }

    static Marker MarkerOf(long step) => new()
    {
        Step = step,
        Kind = SaveKind.Checkpoint,
        Reason = SaveReason.Interval,
        Run = new string('a', 32),
        Lineage = Lineage.New,
        Time = DateTimeOffset.UnixEpoch,
        Train = new TrainState().Capture(),
        Files = [],
    };

    CheckpointManager Start(HangingFileSystem files, CheckpointOptions options) =>
        CheckpointManager.Start(files, options, _training.Train, [_training.Weights], time: _time, cancellationToken: TestContext.Current.CancellationToken);

    void Train(CheckpointManager checkpoints, long until) => _training.TrainTo(checkpoints, until);

    IEnumerable<long> Steps() => Catalog.Read(_files).Entries.Where(entry => entry.Kind == SaveKind.Checkpoint).Select(entry => entry.Step);
}
