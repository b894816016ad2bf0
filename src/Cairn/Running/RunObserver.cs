using Cairn.Journal;
using Cairn.Starting;
using Cairn.Stores;
using Cairn.Telemetry;

namespace Cairn.Running;

/// <summary>What others hear of a run while it trains: gauges for whoever asks, alerts for whoever wants to be told. On the first rank; on others it does nothing. Belongs to the training thread.</summary>
internal sealed class RunObserver : IDisposable
{
    private readonly TrainState _train;
    private readonly RunGauges? _gauges;
    private readonly RunAlerts? _alerts;
    private readonly SpaceWatch? _space;

    public RunObserver(StartedRun run, SavedTiers tiers, RunJournal journal)
    {
        _train = run.Train;
        if (!run.Ranks.IsFirst)
            return;
        Func<long?> free = run.Home.Files is IFileSystem disk ? disk.AvailableBytes : static () => null;
        _gauges = new RunGauges(run.Record.Id, run.Time, free, run.Fast is { } fast ? () => fast.Copies.Left : null);
        _gauges.Begin(_train.Step, Math.Max(tiers.DurableCheckpoint ?? 0, tiers.DurableSnapshot ?? 0));
        _alerts = RunAlerts.Of(run, _gauges);
        _space = SpaceWatch.Of(run, journal, message => _alerts?.SpaceEnds(message));
    }

    /// <summary>A batch has ended, or training calls between two.</summary>
    public void Alive()
    {
        _gauges?.At(_train.Step);
        _alerts?.Alive();
    }

    /// <summary>A save has ended.</summary>
    public void Saved(SaveReport report)
    {
        if (report.Outcome == SaveOutcome.Saved)
        {
            _gauges?.Durable(report.Step);
            _space?.Saved(report);
        }
        _alerts?.Saved(report);
    }

    /// <summary>The run has ended.</summary>
    /// <param name="summary">What it did; <see langword="null"/> when it ended without a word.</param>
    /// <param name="wasStopped">Whether it was told to stop.</param>
    /// <param name="notSaved">Why its end is not saved; <see langword="null"/> when it is.</param>
    public void Ended(RunSummary? summary, bool wasStopped, string? notSaved)
    {
        _gauges?.End();
        _alerts?.Ended(summary, wasStopped, notSaved);
    }

    /// <summary>The run ends without a word, and <see cref="Ended"/> tells how, its last save among it.</summary>
    public void Ending() => _alerts?.Ending();

    /// <summary>Waits a short time for the last alerts.</summary>
    public void Dispose()
    {
        _gauges?.Dispose();
        _space?.Dispose();
        _alerts?.Dispose();
    }
}
