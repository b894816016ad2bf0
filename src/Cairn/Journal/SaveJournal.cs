using Cairn.Telemetry;
using Microsoft.Extensions.Logging;

namespace Cairn.Journal;

/// <summary>Tells journal, log and meters about saves. Belongs to the training thread.</summary>
internal sealed class SaveJournal(RunJournal journal, ILogger logger)
{
    private readonly HashSet<(int, Type)> _traced = [];
    private long _dropped, _droppedForDrain;

    /// <summary>Logs that a snapshot is dropped: of the 1st, 2nd, 4th, 8th…, for a slow disk drops thousands.</summary>
    /// <param name="step">Its step.</param>
    /// <param name="busy">The step that is still being written.</param>
    public void Drop(long step, long busy)
    {
        if (long.IsPow2(++_dropped))
            logger.Dropped(step, busy, _dropped);
    }

    /// <summary>Reports a save that ended.</summary>
    public void Report(SaveReport report)
    {
        CairnTelemetry.Record(report);
        string @event = report.IsRetried ? "drain_failed" : report.Outcome.ToString().ToLowerInvariant();
        journal.Write(@event, json =>
        {
            json.WriteNumber("step", report.Step);
            json.WriteString("kind", report.Kind.ToString().ToLowerInvariant());
            json.WriteString("reason", report.Reason.ToString().ToLowerInvariant());
            json.WriteNumber("stall_seconds", report.Stall.TotalSeconds);
            if (report.IsComplete)
            {
                json.WriteString("folder", report.Folder);
                json.WriteNumber("bytes", report.Bytes);
                if (report.SharedBytes > 0)
                    json.WriteNumber("shared_bytes", report.SharedBytes);
                json.WriteNumber("seconds", report.Duration.TotalSeconds);
            }
            if (report.Error is { } error)
                json.WriteString("error", error.Message);
            if (report.Notes.Count == 0)
                return;
            json.WriteStartArray("notes");
            foreach (string note in report.Notes)
                json.WriteStringValue(note);
            json.WriteEndArray();
        });
        foreach (long step in report.Retired)
        {
            journal.Write("retired", json => json.WriteNumber("step", step));
            logger.Retired(step);
        }
        foreach (long step in report.WeightsOnly)
        {
            journal.Write("weights_only", json => json.WriteNumber("step", step));
            logger.WeightsOnly(step);
        }
        Log(report);
    }

    private static string Size(SaveReport report) =>
        report.SharedBytes > 0 ? $"{Quantities.Bytes(report.Bytes)} ({Quantities.Bytes(report.Bytes - report.SharedBytes)} new)" : Quantities.Bytes(report.Bytes);

    private void Log(SaveReport report)
    {
        string kind = report.Kind.ToString().ToLowerInvariant();
        switch (report.Outcome)
        {
            case SaveOutcome.Saved:
                if (report.IsDrained)
                    logger.Durable(kind, report.Step, Size(report), report.Duration.TotalSeconds);
                else
                    logger.Saved(kind, report.Step, report.Reason.ToString().ToLowerInvariant(), Size(report), report.Duration.TotalSeconds, report.Stall.TotalSeconds);
                break;
            case SaveOutcome.Recoverable:
                logger.Recoverable(kind, report.Step, report.Reason.ToString().ToLowerInvariant(), Size(report), report.Duration.TotalSeconds, report.Stall.TotalSeconds);
                break;
            case SaveOutcome.Dropped when report.Error is not null:
                if (long.IsPow2(++_droppedForDrain))
                    logger.DroppedForDrain(report.Step, _droppedForDrain);
                break;
            case SaveOutcome.Failed when report.IsDrained && !report.IsLost:
                logger.NotAtHome(FirstOfType(CairnLog.NotAtHomeId, report.Error!), report.Error!.Message);
                break;
            case SaveOutcome.Failed or SaveOutcome.Refused:
                logger.Failed(FirstOfType(CairnLog.FailedId, report.Error!), kind, report.Step, report.Error!.Message);
                break;
        }
        foreach (string note in report.Notes)
            logger.SaveNote(note);
        if (report.NonFiniteTensor is { } tensor)
            logger.SavedNonFinite(report.Step, tensor);
        if (report.RetentionError is { } retention)
            logger.RetentionFailed(FirstOfType(CairnLog.RetentionFailedId, retention), retention.Message);
    }

    // Where it arose is worth reading once.
    private Exception? FirstOfType(int message, Exception error) => _traced.Add((message, error.GetType())) ? error : null;
}
