using System.Text.Json;
using Cairn.Advice.Audit;
using Cairn.Alerts;
using Cairn.Cli.Output;

namespace Cairn.Cli.Runs;

/// <summary>Tells people of a run that is watched from outside: also that it was killed, which no process tells of itself.</summary>
/// <param name="run">The run's folder or address.</param>
/// <param name="receivers">Who is told.</param>
/// <param name="limits">When.</param>
/// <param name="time">The clock.</param>
/// <param name="problem">Hears what could not be sent.</param>
internal sealed class WatchAlerts(string run, IReadOnlyList<(string, IAlertSink)> receivers, AlertLimits limits, TimeProvider time, Action<string> problem) : IDisposable
{
    private static readonly TimeSpan LongestFlush = TimeSpan.FromSeconds(30);

    private readonly AlertSender _sender = new(receivers, limits.Interval, time, problem);
    private bool _hasLooked, _endTold, _silenceTold, _ageTold;

    /// <summary>Tells what a look has found.</summary>
    public void See(RunMonitor monitor)
    {
        RunRisk risk = RunRisk.Of(monitor.History, monitor.Progress, time.GetUtcNow());
        // What happened before the first look is history; how the run stands is not.
        foreach (JsonElement line in _hasLooked ? monitor.News : [])
            Tell(line, monitor, risk);
        SeeTraining(monitor, risk);
        SeeEnd(monitor, risk);
        _hasLooked = true;
    }

    public void Dispose()
    {
        _sender.Flush(LongestFlush);
        _sender.Dispose();
    }

    private void Tell(JsonElement line, RunMonitor monitor, RunRisk risk)
    {
        string Text(string name) => line.TryGetProperty(name, out JsonElement value) ? value.ToString() : "";
        switch (Text("event"))
        {
            // An end that is not saved is told once, by the end itself.
            case "failed" when Text("reason") == "final" && monitor.End is SessionEnd.Failed or SessionEnd.Unknown:
                break;
            case "failed" or "refused" or "drain_failed":
                bool isRefused = Text("event") == "refused";
                string how = isRefused ? "was refused" : Text("event") == "failed" ? "was not saved" : "was not brought to the run yet and is tried again";
                Send(isRefused ? AlertKind.SaveRefused : AlertKind.SaveFailed, $"The {Text("kind")} of step {Text("step")} {how}: {Text("error")} {Newest(risk)}", monitor);
                break;
            case "space_ends":
                Send(AlertKind.SpaceEnds, Text("message"), monitor);
                break;
            case "resumed" when monitor.History.Sessions is [.., { PassedOver: { Count: > 0 } passed } session]:
                Send(AlertKind.FellBack, $"The run resumed from {session.ResumedFrom} at step {session.FirstStep}, for {Units.Of(passed.Count, "file")} of newer copies cannot be used ({passed[0]}). To make again: {Units.Steps(session.LostSteps, session.LostAtLeast)}.", monitor);
                break;
        }
    }

    private void SeeTraining(RunMonitor monitor, RunRisk risk)
    {
        bool isTraining = monitor.End == SessionEnd.Running;
        TimeSpan? silence = isTraining && monitor.Progress is { } progress ? time.GetUtcNow() - progress.Time : null;
        if (silence > limits.Silence && !_silenceTold)
            Send(AlertKind.TrainingSilent, $"No batch has ended for {Units.Time(silence.Value)}: training stands at step {monitor.Progress!.Step}, or its machine is gone.", monitor);
        _silenceTold = silence > limits.Silence;
        // Of a run that has saved nothing yet, its start counts.
        TimeSpan? age = isTraining && risk.Steps > 0 ? risk.DurableAge ?? (time.GetUtcNow() - monitor.History.Sessions[^1].Started) : null;
        if (age > limits.CopyAge && !_ageTold)
            Send(AlertKind.NoDurableCopy, $"No copy has become durable for {Units.Time(age.Value)}. {Units.Of(risk.Steps, "step")} would be lost now.", monitor);
        _ageTold = age > limits.CopyAge;
    }

    private void SeeEnd(RunMonitor monitor, RunRisk risk)
    {
        SessionEnd end = monitor.End;
        bool wasTold = _endTold;
        _endTold = end != SessionEnd.Running;
        if (!_endTold || wasTold || monitor.History.Sessions.Count == 0)
            return;
        switch (end)
        {
            // One that was finished already and was started again has nothing new to tell.
            case SessionEnd.Finished when monitor.History.Sessions is [.., { End: SessionEnd.Finished }, var last] && last.LastBatch == last.FirstBatch && last.LastStep == last.FirstStep:
                break;
            case SessionEnd.Finished when _hasLooked:
                Send(AlertKind.Finished, $"The run is finished. {Newest(risk)}", monitor);
                break;
            case SessionEnd.Stopped when _hasLooked:
                Send(AlertKind.Stopped, $"The run was told to stop and has stopped. {Newest(risk)}", monitor);
                break;
            case SessionEnd.Failed:
                Send(AlertKind.Aborted, $"Training was ended by an error. {Newest(risk)} Lost: {Units.Of(risk.Steps, "step")}.", monitor);
                break;
            case SessionEnd.Unknown:
                Send(AlertKind.Aborted, $"The process was killed, or its machine failed. {Newest(risk)} Lost: {Units.Steps(risk.Steps, atLeast: true)}.", monitor);
                break;
        }
    }

    private static string Newest(RunRisk risk) => risk.DurableStep is { } step ? $"The newest durable copy is of step {step}." : "There is no durable copy.";

    private void Send(AlertKind kind, string message, RunMonitor monitor) => _sender.Send(new Alert
    {
        Kind = kind,
        Run = run,
        Host = Environment.MachineName,
        Step = monitor.Progress?.Step ?? monitor.History.Sessions.Select(session => session.LastStep).LastOrDefault(),
        TotalSteps = monitor.Progress?.TotalSteps ?? monitor.History.Configuration.TotalSteps,
        Message = message,
        Time = time.GetUtcNow(),
    });
}

/// <summary>When people are told.</summary>
/// <param name="CopyAge">Without a new durable copy; <see langword="null"/> for never.</param>
/// <param name="Silence">Without a batch.</param>
/// <param name="Interval">In which one alert of a kind is sent.</param>
internal sealed record AlertLimits(TimeSpan? CopyAge, TimeSpan Silence, TimeSpan Interval);
