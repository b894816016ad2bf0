using Cairn.Opening;
using Cairn.State;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging;

namespace Cairn.Tests.Manager;

/// <summary>Which checkpoints the rule for the best retires in a run.</summary>
public class KeepBestTests
{
    readonly SimulatedFileSystem _files = new();
    readonly SampleTraining _training = new();
    readonly List<SaveReport> _reports = [];

    static CheckpointOptions Options => new()
    {
        Folder = "run", CheckpointEvery = 10, SnapshotEvery = 0, KeepBest = 1, KeepBestMetric = "accuracy", KeepBestHigher = true, HandleSignals = false, Asynchronous = false,
    };

    [Fact]
    public async Task A_metric_that_nobody_sets_retires_nothing_and_that_is_said_at_the_start_and_at_each_decision()
    {
        using var log = new WarningLog();
        await using CheckpointManager checkpoints = Start(log);
        log.Warnings.ShouldContain(line => line.Contains("'accuracy'", StringComparison.Ordinal));
        Train(checkpoints, 30, step => _training.Train.Metrics["acuracy"] = step);
        Steps().ShouldBe([30, 20, 10]);
        _reports.ShouldAllBe(report => report.Notes.Single().Contains("no checkpoint has the metric 'accuracy'", StringComparison.Ordinal));
        _reports[^1].Notes[0].ShouldContain("acuracy");
    }

    [Fact]
    public async Task A_value_of_an_earlier_step_does_not_make_a_checkpoint_the_best()
    {
        using var log = new WarningLog();
        await using CheckpointManager checkpoints = Start(log);
        // The model of step 15 is the best of all; nobody has measured that of step 20.
        Train(checkpoints, 50, step =>
        {
            if (step is 15)
                _training.Train.Metrics["accuracy"] = 100;
            else if (step is not 20 && step % 10 == 0)
                _training.Train.Metrics["accuracy"] = 50 - step;
        });
        Steps().ShouldBe([50, 20, 10]);
        _reports[^1].Notes.Single().ShouldContain("20");
        CatalogEntry unmeasured = Catalog.Read(_files).Entries.Single(entry => entry.Step == 20);
        ((StateMap)unmeasured.Marker!.Train["metrics"]).Count.ShouldBe(0);
    }

    [Fact]
    public async Task A_metric_that_a_resumed_run_has_set_before_is_not_warned_of()
    {
        using var log = new WarningLog();
        await using (CheckpointManager checkpoints = Start(log))
            Train(checkpoints, 10, step => _training.Train.Metrics["accuracy"] = step);
        log.Warnings.Clear();
        await using CheckpointManager again = CheckpointManager.Start(_files, Options, new TrainState(), [new WeightsPart()], log, cancellationToken: TestContext.Current.CancellationToken);
        log.Warnings.ShouldBeEmpty();
    }

    CheckpointManager Start(ILoggerFactory log)
    {
        CheckpointManager checkpoints = CheckpointManager.Start(_files, Options, _training.Train, [_training.Weights], log);
        checkpoints.SaveEnded += (_, report) => _reports.Add(report);
        return checkpoints;
    }

    void Train(CheckpointManager checkpoints, long until, Action<long> measure)
    {
        while (_training.Train.Step < until)
        {
            _training.Batch();
            measure(_training.Train.Step);
            checkpoints.AfterBatch();
        }
    }

    IEnumerable<long> Steps() => Catalog.Read(_files).Entries.Select(entry => entry.Step);

    sealed class WarningLog : ILoggerFactory, ILogger
    {
        public List<string> Warnings { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;
        public void AddProvider(ILoggerProvider provider) { }
        public void Dispose() { }
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel >= LogLevel.Warning)
                Warnings.Add(formatter(state, exception));
        }
    }
}
