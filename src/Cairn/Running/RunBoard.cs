using Cairn.Journal;
using Cairn.Starting;
using Cairn.Stores;
using Cairn.Telemetry;
using Cairn.TensorBoard;

namespace Cairn.Running;

/// <summary>Writes the curves of a run for TensorBoard while it trains (<see cref="CheckpointOptions.TensorBoardFolder"/>). On the first rank. Belongs to the training thread, which never waits for the disk.</summary>
internal sealed class RunBoard : IDisposable
{
    private readonly EventFileWriter _file;
    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly StepOrder _order = new();

    private RunBoard(string folder, StartedRun run)
    {
        (_time, _start) = (run.Time, run.Train.Step);
        _file = new EventFileWriter(folder, _start + 1, run.Time, problem => run.Logger.TensorBoardFailed(problem, folder));
    }

    /// <summary>The curves of a run; <see langword="null"/> when nobody wants them, or another rank writes them.</summary>
    public static RunBoard? Of(StartedRun run) => run.Ranks.IsFirst && FolderOf(run.Options) is { } folder ? new RunBoard(folder, run) : null;

    /// <summary>Where they are written, as a whole path.</summary>
    public static string? FolderOf(CheckpointOptions options) => options.TensorBoardFolder is { } folder ? PlacePath.Full(folder) : null;

    /// <summary>Batches were measured. Those that are skipped before the first step have no place on the axis that an earlier process has not taken.</summary>
    public void Measured(IReadOnlyList<MetricWindow> windows) => Add(windows.Where(window => window.Step > _start).SelectMany(static window => RunScalars.Of(new Measurement(window.Time, window.Step, window.Batches)
    {
        Loss = window.Loss,
        LeastLoss = window.Least,
        MostLoss = window.Most,
        LearningRate = window.LearningRate,
        TokensPerSecond = window is { Tokens: > 0, Seconds: > 0 } ? window.Tokens / window.Seconds : null,
        SecondsPerBatch = window is { Batches: > 0, Seconds: > 0 } ? window.Seconds / window.Batches : null,
        Metrics = window.Metrics,
    })));

    /// <summary>A save has ended.</summary>
    public void Saved(SaveReport report)
    {
        if (report.IsComplete)
            Add(RunScalars.OfSave(report.Step, _time.GetUtcNow(), report.Outcome == SaveOutcome.Saved, report.Duration, report.IsDrained ? null : (report.Stall, report.Bytes)));
    }

    /// <summary>Waits a short time until all is written.</summary>
    public void Flush() => _file.Flush();

    /// <summary>Writes what is left, within a short time.</summary>
    public void Dispose() => _file.Dispose();

    private void Add(IEnumerable<Scalar> points) => _file.Add([.. points.Where(_order.Takes)]);
}
