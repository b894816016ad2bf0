using System.Collections.Concurrent;
using System.Text.Json;
using Cairn.Alerts;
using Cairn.Stores;
using Cairn.Tests.Alerts;
using Cairn.Tests.Manager;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.Running;

/// <summary>What people hear of a run.</summary>
public class RunAlertsTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task A_run_that_ends_well_says_so_once()
    {
        using AlertServer server = AlertServer.Of(200);
        await TrainAsync(new SimulatedFileSystem(), Options(server.Address), batches: 4);
        JsonElement alert = JsonDocument.Parse(server.Next().Body).RootElement;
        alert.GetProperty("alert").GetString().ShouldBe("finished");
        alert.GetProperty("step").GetInt64().ShouldBe(4);
        alert.GetProperty("message").GetString()!.ShouldContain("4 batches, 4 steps");
        server.Count.ShouldBe(1);
    }

    [Fact]
    public async Task No_batch_waits_for_a_receiver_that_never_answers()
    {
        // Training is over before the receiver has answered anything: it cannot have waited.
        var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var server = new AlertServer(async (context, _) =>
        {
            await answer.Task;
            await AlertServer.Status(context, 200);
        });
        var log = new RecordedLog();
        var training = new SampleTraining();
        var broken = new BreakableFileSystem(new SimulatedFileSystem());
        CheckpointOptions options = Options(server.Address);
        options.TotalSteps = 100;
        CheckpointManager checkpoints = Start(broken, options, training, loggers: log);
        broken.BreakAt(0);
        for (int batch = 0; batch < 40; batch++)
        {
            training.Batch();
            checkpoints.AfterBatch();
        }
        server.Next().Body.ShouldContain("save_failed");
        broken.Mend();
        answer.SetResult();
        await checkpoints.DisposeAsync();
        Enum.GetValues<LogLevel>().SelectMany(log.At).ShouldAllBe(message => !message.Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_save_that_fails_and_an_end_that_is_not_saved_are_told()
    {
        var sink = new ListSink();
        var training = new SampleTraining();
        var broken = new BreakableFileSystem(new SimulatedFileSystem());
        CheckpointManager checkpoints = Start(broken, new CheckpointOptions { AlertSink = sink, CheckpointEvery = 2, HandleSignals = false, Asynchronous = false }, training);
        broken.BreakAt(0);
        training.Batch();
        training.Batch();
        checkpoints.AfterBatch();
        await Should.ThrowAsync<CheckpointException>(() => checkpoints.DisposeAsync().AsTask());
        // What is tried again at the end, and fails again, is told by the end.
        sink.Kinds.ShouldBe([AlertKind.SaveFailed, AlertKind.Aborted]);
        // Nobody can call it any more.
        sink.Of(AlertKind.Aborted).Message.ShouldNotContain("call Complete again");
        sink.Of(AlertKind.SaveFailed).Message.ShouldContain("There is no durable copy.");
    }

    [Fact]
    public async Task An_exception_that_leaves_the_loop_is_told_before_the_process_ends()
    {
        var sink = new ListSink();
        var training = new SampleTraining();
        CheckpointManager checkpoints = Start(new SimulatedFileSystem(), new CheckpointOptions { AlertSink = sink, HandleSignals = false }, training);
        training.Batch();
        checkpoints.AfterBatch();
        training.Batch();
        await Should.ThrowAsync<InvalidOperationException>(() => checkpoints.RunAsync(_ => throw new InvalidOperationException("out of memory"), TestContext.Current.CancellationToken));
        await checkpoints.DisposeAsync();
        sink.Kinds.ShouldBe([AlertKind.Aborted]);
        sink.Of(AlertKind.Aborted).Message.ShouldContain("out of memory");
    }

    [Fact]
    public async Task An_end_that_is_not_saved_is_told_also_where_the_program_has_the_error_of_an_earlier_save()
    {
        var sink = new ListSink();
        var training = new SampleTraining();
        var broken = new BreakableFileSystem(new SimulatedFileSystem());
        CheckpointManager checkpoints = Start(broken, new CheckpointOptions { AlertSink = sink, CheckpointEvery = 1, FailOnError = true, HandleSignals = false, Asynchronous = false }, training);
        broken.BreakAt(0);
        training.Batch();
        Should.Throw<CheckpointException>(() => checkpoints.AfterBatch());
        await checkpoints.DisposeAsync();
        sink.Kinds.ShouldBe([AlertKind.SaveFailed, AlertKind.Aborted]);
    }

    [Fact]
    public async Task A_finished_run_that_is_started_again_and_has_nothing_to_train_says_nothing()
    {
        var files = new SimulatedFileSystem();
        var sink = new ListSink();
        CheckpointOptions options = Options();
        options.AlertSink = sink;
        // It makes its last step, and is killed before it can say so.
        var first = new SampleTraining();
        CheckpointManager killed = Start(files, options, first);
        while (!first.Train.IsComplete)
        {
            first.Batch();
            killed.AfterBatch();
        }
        sink.Kinds.ShouldBeEmpty();
        await TrainAsync(files, options, batches: 0);
        sink.Kinds.ShouldBe([AlertKind.Finished]);
        await TrainAsync(files, options, batches: 0);
        sink.Kinds.ShouldBe([AlertKind.Finished]);
        // More is planned, and it finishes anew.
        options.TotalSteps = 5;
        await TrainAsync(files, options, batches: 1);
        sink.Kinds.ShouldBe([AlertKind.Finished, AlertKind.Finished]);
    }

    [Fact]
    public async Task A_run_that_was_told_to_stop_says_so()
    {
        var sink = new ListSink();
        var training = new SampleTraining();
        CheckpointManager checkpoints = Start(new SimulatedFileSystem(), new CheckpointOptions { AlertSink = sink, TotalSteps = 100, HandleSignals = false }, training);
        checkpoints.RequestStop();
        training.Batch();
        checkpoints.AfterBatch().ShouldBeFalse();
        await checkpoints.DisposeAsync();
        sink.Kinds.ShouldBe([AlertKind.Stopped]);
    }

    [Fact]
    public async Task A_start_that_falls_back_to_an_older_copy_is_told()
    {
        var files = new SimulatedFileSystem();
        await TrainAsync(files, Options(), batches: 4);
        files.Append($"4/{files.List("4").First(file => file.Name.StartsWith("model", StringComparison.Ordinal)).Name}", new byte[] { 1 }, durable: true);
        var sink = new ListSink();
        var training = new SampleTraining();
        CheckpointOptions options = Options();
        options.AlertSink = sink;
        await using (CheckpointManager checkpoints = Start(files, options, training))
            checkpoints.Resume.Step.ShouldBe(2);
        sink.Kinds[0].ShouldBe(AlertKind.FellBack);
        sink.Of(AlertKind.FellBack).Message.ShouldContain("at step 2");
    }

    [Fact]
    public async Task Silence_and_the_age_of_the_newest_copy_are_told_once_until_they_are_over()
    {
        var time = new FakeTimeProvider();
        var sink = new ListSink();
        var training = new SampleTraining();
        var options = new CheckpointOptions
        {
            AlertSink = sink, AlertSilence = TimeSpan.FromMinutes(20), AlertCopyAge = TimeSpan.FromMinutes(50), AlertInterval = TimeSpan.Zero, CheckpointEvery = 3, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false,
        };
        CheckpointManager checkpoints = Start(new SimulatedFileSystem(), options, training, time: time);
        Batch();
        Pass(15);
        sink.Kinds.ShouldBeEmpty();
        Pass(30);
        sink.WaitFor(1);
        Batch();
        Pass(12);
        sink.WaitFor(2);
        sink.Kinds.ShouldBe([AlertKind.TrainingSilent, AlertKind.NoDurableCopy]);
        sink.Of(AlertKind.NoDurableCopy).Message.ShouldContain("2 steps would be lost");
        // It saves, and what was told is told anew when it comes again.
        Batch();
        Pass(25);
        sink.WaitFor(3);
        sink.Kinds[2].ShouldBe(AlertKind.TrainingSilent);
        await checkpoints.DisposeAsync();

        void Batch()
        {
            training.Batch();
            checkpoints.AfterBatch();
        }

        void Pass(int minutes)
        {
            for (int minute = 0; minute < minutes; minute++)
                time.Advance(TimeSpan.FromMinutes(1));
        }
    }

    private static CheckpointOptions Options(string? address = null) => new()
    {
        Alerts = address is null ? [] : [address], TotalSteps = 4, CheckpointEvery = 2, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false, ProbeStore = false,
    };

    private static CheckpointManager Start(IFileSystem files, CheckpointOptions options, SampleTraining training, TimeProvider? time = null, ILoggerFactory? loggers = null) =>
        CheckpointManager.Start(files, options, training.Train, [training.Weights], loggers ?? NullLoggerFactory.Instance, time);

    private static async Task TrainAsync(IFileSystem files, CheckpointOptions options, int batches)
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = Start(files, options, training);
        for (int batch = 0; batch < batches; batch++)
        {
            training.Batch();
            checkpoints.AfterBatch();
        }
        checkpoints.Complete();
    }

    private sealed class ListSink : IAlertSink
    {
        private readonly ConcurrentQueue<Alert> _taken = [];
        private readonly SemaphoreSlim _count = new(0);
        private int _waited;

        public IReadOnlyList<AlertKind> Kinds => [.. _taken.Select(alert => alert.Kind)];

        public Alert Of(AlertKind kind) => _taken.First(alert => alert.Kind == kind);

        public void WaitFor(int count)
        {
            for (; _waited < count; _waited++)
                _count.Wait(Patience).ShouldBeTrue($"{count} alerts within {Patience}");
        }

        public Task SendAsync(Alert alert, CancellationToken cancellationToken)
        {
            _taken.Enqueue(alert);
            _count.Release();
            return Task.CompletedTask;
        }
    }
}
