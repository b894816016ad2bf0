using Cairn.Telemetry;
using Microsoft.Extensions.Logging;

namespace Cairn.Journal;

/// <summary>Tells journal, log and meters about saves.</summary>
internal sealed class SaveJournal(RunJournal journal, ILogger logger)
{
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
        Log(report);
    }

    private void Log(SaveReport report)
    {
        string kind = report.Kind.ToString().ToLowerInvariant();
        switch (report.Outcome)
        {
            case SaveOutcome.Saved:
                if (report.IsDrained)
                    logger.Durable(kind, report.Step, report.Bytes / 1e6, report.Duration.TotalSeconds);
                else
                    logger.Saved(kind, report.Step, report.Reason.ToString().ToLowerInvariant(), report.Bytes / 1e6, report.Duration.TotalSeconds, report.Stall.TotalSeconds);
                break;
            case SaveOutcome.Recoverable:
                logger.Recoverable(kind, report.Step, report.Reason.ToString().ToLowerInvariant(), report.Bytes / 1e6, report.Duration.TotalSeconds, report.Stall.TotalSeconds);
                break;
            case SaveOutcome.Dropped when report.Error is not null:
                logger.DroppedForDrain(report.Step);
                break;
            case SaveOutcome.Failed when report.IsDrained && !report.IsLost:
                logger.NotAtHome(report.Error!);
                break;
            case SaveOutcome.Failed or SaveOutcome.Refused:
                logger.Failed(report.Error!, kind, report.Step);
                break;
        }
        foreach (string note in report.Notes)
            logger.SaveNote(note);
        if (report.NonFiniteTensor is { } tensor)
            logger.SavedNonFinite(report.Step, tensor);
        if (report.RetentionError is { } retention)
            logger.RetentionFailed(retention);
    }
}
