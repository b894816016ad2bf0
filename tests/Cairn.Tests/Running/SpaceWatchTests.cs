using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Cairn.Alerts;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Manager;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests.Running;

/// <summary>That space will end is said before it does, with the step and the option that would fit.</summary>
public sealed class SpaceWatchTests
{
    const long Total = 1000;

    [Fact]
    public async Task A_plan_that_does_not_fit_is_said_at_the_start_and_the_first_save_that_fails_is_the_one_that_was_named()
    {
        var files = new SimulatedFileSystem { Capacity = (12 << 20) + 300_000 };
        var alerts = new Heard();
        var failed = new ConcurrentQueue<long>();
        await TrainAsync(files, Options(alerts), failed, until: Total, alerts.First);
        Alert alert = alerts.All.Where(alert => alert.Kind == AlertKind.SpaceEnds).ShouldHaveSingleItem();
        long named = long.Parse(Regex.Match(alert.Message, @"Space will end at step (\d+): the checkpoint of").Groups[1].Value, CultureInfo.InvariantCulture);
        alert.Message.ShouldContain("keeping all checkpoints");
        alert.Message.ShouldContain("KeepLast of at most ");
        failed.First().ShouldBe(named);
        Journal(files).ShouldContain("\"event\":\"space_ends\"");
    }

    // What is read of the room and what is read of the copies must be of the same moment.
    [Fact]
    public async Task Saves_that_come_into_a_look_do_not_move_the_step_it_names()
    {
        using var files = new SlowToTell(new SimulatedFileSystem { Capacity = (12 << 20) + 300_000 });
        var alerts = new Heard();
        var failed = new ConcurrentQueue<long>();
        var training = new SampleTraining();
        await using (CheckpointManager checkpoints = Start(files, Options(alerts), training))
        {
            checkpoints.SaveEnded += (_, report) =>
            {
                if (report.Outcome == SaveOutcome.Failed)
                    failed.Enqueue(report.Step);
            };
            await files.Asked;
            for (; failed.IsEmpty; training.Batch(), checkpoints.AfterBatch())
            {
                if (training.Train.Step == 35)
                {
                    files.Answer();
                    await alerts.First;
                }
            }
            files.Disk.Capacity = null;
        }
        alerts.All.Where(alert => alert.Kind == AlertKind.SpaceEnds).ShouldHaveSingleItem().Message.ShouldStartWith($"Space will end at step {failed.First()}:");
    }

    [Fact]
    public async Task A_plan_that_fits_by_its_rule_is_not_spoken_of()
    {
        var files = new SimulatedFileSystem { Capacity = 12 << 20 };
        var alerts = new Heard();
        CheckpointOptions options = Options(alerts);
        options.KeepLast = 2;
        var failed = new ConcurrentQueue<long>();
        await TrainAsync(files, options, failed, until: Total);
        alerts.All.ShouldNotContain(alert => alert.Kind == AlertKind.SpaceEnds);
        failed.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_run_that_is_resumed_is_told_before_its_first_save_and_what_stands_counts()
    {
        var files = new SimulatedFileSystem();
        await TrainAsync(files, Options(new Heard()), [], until: 30);
        long taken = files.AllFiles().Values.Sum(bytes => (long)bytes.Length);
        files.Capacity = taken + (8 << 20);
        var alerts = new Heard();
        CheckpointOptions options = Options(alerts);
        options.TotalSteps = 100_000;
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = Start(files, options, training);
        await alerts.First;
        alerts.All.ShouldHaveSingleItem().Message.ShouldStartWith("Space will end at step ");
    }

    // What is shared needs room once, and the warning knows it.
    [Theory, InlineData(true), InlineData(false)]
    public async Task A_frozen_base_counts_once(bool shares)
    {
        var files = new SimulatedFileSystem { Capacity = 14 << 20 };
        var alerts = new Heard();
        CheckpointOptions options = Options(alerts);
        (options.ShareUnchanged, options.TotalSteps) = (shares, 100);
        var training = new SampleTraining();
        var failed = new List<long>();
        await using (CheckpointManager checkpoints = CheckpointManager.Start(files, options, training.Train, [new FrozenPart()], NullLoggerFactory.Instance, cancellationToken: TestContext.Current.CancellationToken))
        {
            checkpoints.SaveEnded += (_, report) => failed.AddRange(report.Outcome == SaveOutcome.Saved ? [] : [report.Step]);
            if (!shares)
                await alerts.First;
            for (int i = 0; i < 90; i++)
            {
                training.Batch();
                checkpoints.AfterBatch();
            }
            failed.Count.ShouldBe(0, shares ? "there is room" : "there is room so far");
        }
        alerts.All.Count(alert => alert.Kind == AlertKind.SpaceEnds).ShouldBe(shares ? 0 : 1);
    }

    static CheckpointOptions Options(Heard alerts) => new()
    {
        Folder = "run",
        TotalSteps = Total,
        CheckpointEvery = 10,
        SnapshotEvery = 0,
        HandleSignals = false,
        Asynchronous = false,
        AlertSink = alerts,
        ShareUnchanged = false,
    };

    static async Task TrainAsync(SimulatedFileSystem files, CheckpointOptions options, ConcurrentQueue<long> failed, long until, Task? heard = null)
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = Start(files, options, training);
        checkpoints.SaveEnded += (_, report) =>
        {
            if (report.Outcome == SaveOutcome.Failed)
                failed.Enqueue(report.Step);
        };
        while (training.Train.Step < until && failed.IsEmpty)
        {
            training.Batch();
            checkpoints.AfterBatch();
        }
        await (heard ?? Task.CompletedTask);
        // The end has room.
        files.Capacity = null;
    }

    static CheckpointManager Start(IFileSystem files, CheckpointOptions options, SampleTraining training) =>
        CheckpointManager.Start(files, options, training.Train, [training.Weights, new LargePart()], NullLoggerFactory.Instance);

    static string Journal(SimulatedFileSystem files) => Encoding.UTF8.GetString(files.AllFiles()["journal.jsonl"]);

    // The first who asks how much is free hears it when it is no longer true.
    sealed class SlowToTell(SimulatedFileSystem disk) : ForwardingFileSystem(disk), IDisposable
    {
        readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        readonly ManualResetEventSlim _answer = new();

        public SimulatedFileSystem Disk => disk;
        public Task Asked => _asked.Task;
        public void Answer() => _answer.Set();

        public override long? AvailableBytes(string folder)
        {
            long? free = base.AvailableBytes(folder);
            if (_asked.TrySetResult())
                _answer.Wait(TestContext.Current.CancellationToken);
            return free;
        }

        public void Dispose() => _answer.Dispose();
    }

    sealed class LargePart : IStatePart
    {
        public string Name => "extra";
        public StateMap Capture() => new() { { "t", new MemoryTensor(TensorType.U8, [1 << 20], new byte[1 << 20]) } };
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) { }
    }

    sealed class Heard : IAlertSink
    {
        readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ConcurrentQueue<Alert> All { get; } = [];
        public Task First => _first.Task;

        public Task SendAsync(Alert alert, CancellationToken cancellationToken)
        {
            All.Enqueue(alert);
            _first.TrySetResult();
            return Task.CompletedTask;
        }
    }
}
