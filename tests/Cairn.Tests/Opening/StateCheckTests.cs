using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Ranks;
using Cairn.State;
using Cairn.Telemetry;
using Cairn.Tests.Manager;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging;

namespace Cairn.Tests.Opening;

/// <summary>What cannot be saved is found at the start, and what cannot be saved later reaches somebody.</summary>
public class StateCheckTests
{
    readonly SimulatedFileSystem _files = new();
    readonly SampleTraining _training = new();

    static CheckpointOptions Options => new() { Folder = "run", HandleSignals = false };

    public static TheoryData<string, string> Bad => new()
    {
        { "capture", "is not one of the module" },
        { "argument", "The part 'extra' cannot be saved" },
        { "text", "The state cannot be saved" },
    };

    [Theory, MemberData(nameof(Bad))]
    public void A_state_that_cannot_be_saved_is_refused_at_the_start_with_the_reason(string kind, string reason)
    {
        CheckpointException error = Should.Throw<CheckpointException>(() => Start(new BadPart(kind)));
        error.Message.ShouldContain(reason);
        RunRecord.Load(_files).ShouldBeNull();
    }

    [Fact]
    public async Task A_run_that_saves_nothing_does_not_care()
    {
        CheckpointOptions options = Options;
        options.Enabled = false;
        await using CheckpointManager checkpoints = CheckpointManager.Start(_files, options, _training.Train, [_training.Weights, new BadPart("capture")], cancellationToken: TestContext.Current.CancellationToken);
    }

    [Fact]
    public void All_ranks_hear_at_the_start_of_the_one_that_cannot_save()
    {
        var job = new JobOfThreads(_files);
        job.Run(new World(2, 1, 2, 2), rank =>
        {
            if (rank.Rank == 1)
                rank.Training.Model.Failure = new CheckpointException("the wrong module");
            rank.Start(new CheckpointOptions { Folder = "run", HandleSignals = false });
        }, mayFail: true);
        job.Errors[1].ShouldBeOfType<CheckpointException>().Message.ShouldContain("the wrong module");
        foreach (int other in new[] { 0, 2, 3 })
            job.Errors[other].ShouldBeOfType<RankFailedException>().Message.ShouldContain("the wrong module");
    }

    [Fact]
    public async Task A_part_that_cannot_be_captured_for_a_while_costs_a_save_and_no_training()
    {
        var part = new FadingPart();
        await using CheckpointManager checkpoints = CheckpointManager.Start(_files, Options, _training.Train, [_training.Weights, part], new RecordedLog(), cancellationToken: TestContext.Current.CancellationToken);
        part.IsAway = true;
        _training.Batch();
        checkpoints.AfterBatch().ShouldBeTrue();
        part.IsAway = false;
        checkpoints.Complete().FinalCheckpoint.ShouldBe("1");
    }

    [Fact]
    public async Task A_logger_that_throws_ends_neither_training_nor_the_save_of_the_end()
    {
        using var log = new DisposedLog();
        using var error = new StringWriter();
        TextWriter before = Console.Error;
        Console.SetError(TextWriter.Synchronized(error));
        try
        {
            await using CheckpointManager checkpoints = CheckpointManager.Start(_files, Options, _training.Train, [_training.Weights], log, cancellationToken: TestContext.Current.CancellationToken);
            log.Dispose();
            _training.Batch();
            checkpoints.AfterBatch().ShouldBeTrue();
            checkpoints.Complete().FinalCheckpoint.ShouldBe("1");
            _training.Batch();
            checkpoints.AfterBatch();
        }
        finally
        {
            Console.SetError(before);
        }
        error.ToString().ShouldContain("Complete was called");
    }

    private sealed class FadingPart : IStatePart, IProgressMark
    {
        public bool IsAway { get; set; }
        public string Name => "extra";
        public bool MarksUpdates => true;
        public ulong ProgressMark => IsAway ? throw new NotSupportedException("away") : 1UL;
        public StateMap Capture() => IsAway ? throw new NotSupportedException("away") : new() { { "value", 1L } };
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) { }
    }

    private sealed class DisposedLog : ILoggerFactory, ILogger
    {
        private bool _disposed;

        public ILogger CreateLogger(string categoryName) => this;
        public void AddProvider(ILoggerProvider provider) { }
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
        public bool IsEnabled(LogLevel logLevel) => true;
        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            ObjectDisposedException.ThrowIf(_disposed, this);
        public void Dispose() => _disposed = true;
    }

    [Fact]
    public void Without_a_logger_each_kind_of_failure_goes_to_standard_error_once()
    {
        using var error = new StringWriter();
        TextWriter before = Console.Error;
        Console.SetError(error);
        try
        {
            var logger = new StandardErrorLogger(null);
            logger.Failed(new IOException("the disk of this test is full"), "checkpoint", 10, "the disk of this test is full");
            logger.Failed(new IOException("the disk of this test is full"), "checkpoint", 20, "the disk of this test is full");
            logger.Failed(null, "checkpoint", 30, "the disk of this test is full");
            logger.OptionWarning("the first warning of this test");
            logger.OptionWarning("the second warning of this test");
            logger.Finished("all is well in this test");
        }
        finally
        {
            Console.SetError(before);
        }
        string[] lines = [.. error.ToString().Split('\n').Where(line => line.Contains("this test", StringComparison.Ordinal))];
        lines.Length.ShouldBe(3);
        lines[0].ShouldStartWith("Cairn: The checkpoint of step 10 was not saved.");
        lines[0].Split("the disk of this test is full").Length.ShouldBe(2, "once, although the exception says it too");
        lines[2].ShouldContain("second warning");
    }

    CheckpointManager Start(BadPart part) =>
        CheckpointManager.Start(_files, Options, _training.Train, [_training.Weights, part], cancellationToken: TestContext.Current.CancellationToken);

    sealed class BadPart(string kind) : IStatePart
    {
        public string Name => "extra";

        public StateMap Capture() => kind switch
        {
            "capture" => throw new CheckpointException("Parameter 0 of AdamW is not one of the module."),
            "argument" => new StateMap { { "a", 1L }, { "a", 2L } },
            _ => new StateMap { { "a", "\ud800" } },
        };

        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) { }
    }
}
