using System.Globalization;
using Cairn.Alerts;
using Cairn.Policies;
using Cairn.Starting;
using Cairn.Telemetry;

namespace Cairn.Running;

/// <summary>
/// Tells people of a run what they asked to hear (<see cref="CheckpointOptions.Alerts"/>). On the first rank. The training thread says what happens; what does not happen is seen by a timer.
/// </summary>
internal sealed class RunAlerts : IDisposable
{
    private static readonly TimeSpan LongestFlush = TimeSpan.FromSeconds(10), ShortestLook = TimeSpan.FromSeconds(1), LongestLook = TimeSpan.FromSeconds(30);

    private readonly StartedRun _run;
    private readonly RunGauges _gauges;
    private readonly AlertSender _sender;
    private readonly ITimer _looks;
    private readonly TimeSpan _flush;
    // Where a run began that was finished already, and whose end was told.
    private readonly long? _finishedAt;
    private int _silentToldAt, _ageTold;
    private bool _isEnding;
    private volatile bool _isOver;

    private RunAlerts(StartedRun run, RunGauges gauges, IReadOnlyList<(string, IAlertSink)> receivers, TimeSpan? flush)
    {
        (_run, _gauges, _flush) = (run, gauges, flush ?? LongestFlush);
        // One that was killed may have told nothing.
        _finishedAt = run is { Train.IsComplete: true, Resume: { IsFresh: false, LostAtLeast: false } } ? run.Train.Batch : null;
        _sender = new AlertSender(receivers, run.Options.AlertInterval, run.Time, problem => run.Logger.AlertNotSent(problem));
        TimeSpan shortest = new[] { run.Options.AlertSilence, run.Options.AlertCopyAge }.Min() is { } limit ? limit / 10 : LongestLook;
        TimeSpan every = shortest < ShortestLook ? ShortestLook : shortest > LongestLook ? LongestLook : shortest;
        _looks = run.Time.CreateTimer(static alerts => ((RunAlerts)alerts!).Look(), this, every, every);
    }

    /// <summary>The alerts of a run; <see langword="null"/> when nobody wants any, or another rank sends them.</summary>
    public static RunAlerts? Of(StartedRun run, RunGauges gauges, TimeSpan? flush = null)
    {
        if (!run.Ranks.IsFirst || AlertReceivers.Of(run.Options.Alerts, run.Options.AlertSink, run.Time) is not { Count: > 0 } receivers)
            return null;
        var alerts = new RunAlerts(run, gauges, receivers, flush);
        if (run.Resume is { PassedOver: [var first, ..] } resume)
        {
            alerts.Send(AlertKind.FellBack, string.Create(CultureInfo.InvariantCulture,
                $"The run resumed from {resume.Source ?? "nothing"} at step {resume.Step}, for {resume.PassedOver.Count} newer {(resume.PassedOver.Count == 1 ? "copy" : "copies")} cannot be used ({first}). To make again: {resume.Lost}."));
        }
        return alerts;
    }

    /// <summary>A batch has ended, or training was seen between two; it may go on although the run was ended.</summary>
    public void Alive()
    {
        (_isOver, _isEnding) = (false, false);
        Volatile.Write(ref _silentToldAt, 0);
    }

    /// <summary>A save has ended.</summary>
    public void Saved(SaveReport report)
    {
        if (report.Outcome == SaveOutcome.Saved)
            Volatile.Write(ref _ageTold, 0);
        // An end that is not saved is told once, by the end itself.
        if (report.Outcome is not (SaveOutcome.Failed or SaveOutcome.Refused) || report.Error is UnfinishedBatchException || (_isEnding && report.Reason == SaveReason.Final))
            return;
        string what = $"{report.Kind.ToString().ToLowerInvariant()} of step {report.Step}";
        string how = report.IsRetried ? "was not brought to the run yet and is tried again" : report.Outcome == SaveOutcome.Refused ? "was refused" : "was not saved";
        Send(report.Outcome == SaveOutcome.Refused ? AlertKind.SaveRefused : AlertKind.SaveFailed, $"The {what} {how}: {report.Error?.Message} {Newest}", report.Step);
    }

    /// <summary>The planned saves will not fit. From any thread.</summary>
    public void SpaceEnds(string message) => Send(AlertKind.SpaceEnds, message, _gauges.Step);

    /// <summary>The run ends now, and <see cref="Ended"/> comes.</summary>
    public void Ending() => _isEnding = true;

    /// <summary>The run has ended; nothing is told after it.</summary>
    /// <param name="summary">What it did; <see langword="null"/> when it ended without a word and everything was saved before.</param>
    /// <param name="wasStopped">Whether it was told to stop.</param>
    /// <param name="notSaved">Why its end is not saved; <see langword="null"/> when it is.</param>
    public void Ended(RunSummary? summary, bool wasStopped, string? notSaved)
    {
        if (_isOver)
            return;
        _isOver = true;
        _sender.SendHeld();
        if (notSaved is not null)
            Send(AlertKind.Aborted, $"Training ended, and its end was not saved: {notSaved.TrimEnd('.')}. {Newest}");
        else if (_finishedAt == _run.Train.Batch)
            return;
        else if (_run.Train.IsComplete && !wasStopped)
            Send(AlertKind.Finished, $"The run is finished. {summary}");
        else
            Send(AlertKind.Stopped, $"The run has stopped at step {_run.Train.Step}. {summary}");
    }

    private string Newest => _gauges.DurableStep is > 0 and var step ? $"The newest durable copy is of step {step}." : "There is no durable copy.";

    public void Dispose()
    {
        _looks.Dispose();
        _sender.Flush(_flush);
        _sender.Dispose();
    }

    // On a thread of the pool, at any time.
    private void Look()
    {
        if (_isOver || _gauges.BatchAge is not { } silence)
            return;
        TimeSpan age = _gauges.DurableAge;
        if (silence > _run.Options.AlertSilence && Interlocked.Exchange(ref _silentToldAt, 1) == 0)
            Send(AlertKind.TrainingSilent, $"No batch has ended for {Quantities.Time(silence)}: training stands at step {_gauges.Step}, or does something long without calling Poll.", _gauges.Step);
        if (age > _run.Options.AlertCopyAge && _gauges.StepsAtRisk > 0 && Interlocked.Exchange(ref _ageTold, 1) == 0)
            Send(AlertKind.NoDurableCopy, $"No copy has become durable for {Quantities.Time(age)}. Training is at step {_gauges.Step}, and {_gauges.StepsAtRisk} steps would be lost now.", _gauges.Step);
    }

    private void Send(AlertKind kind, string message, long? step = null) => _sender.Send(new Alert
    {
        Kind = kind,
        Run = _run.Home.Files.Root,
        Host = Environment.MachineName,
        Step = step ?? _run.Train.Step,
        TotalSteps = _run.Train.TotalSteps,
        Message = message.Trim(),
        Time = _run.Time.GetUtcNow(),
    });
}
