using Cairn.Telemetry;

namespace Cairn.Journal;

/// <summary>Tells the journal of the batches: each skipped one, what they measured, and where the run stands. Belongs to the training thread.</summary>
internal sealed class BatchJournal(RunJournal journal, TrainState train, string? fastFolder = null, BatchMetrics? metrics = null)
{
    private long _seenSkips = train.SkippedBatches;

    /// <summary>Writes the batches that were skipped since the last call.</summary>
    public void Skips()
    {
        if (train.SkippedBatches == _seenSkips)
            return;
        CairnTelemetry.SkippedBatches.Add(train.SkippedBatches - _seenSkips, new KeyValuePair<string, object?>("cairn.reason", train.LastSkipReason));
        _seenSkips = train.SkippedBatches;
        journal.Write("skipped", json =>
        {
            json.WriteNumber("batch", train.Batch);
            json.WriteNumber("step", train.Step);
            json.WriteNumber("skipped", train.SkippedBatches);
            json.WriteString("reason", train.LastSkipReason);
        });
    }

    /// <summary>Says where the run begins.</summary>
    public void Begin(long recoverable) => journal.BeginProgress(train, recoverable, fastFolder);

    /// <summary>Says where the run stands, at most once a second, and what the batches measured, every few seconds.</summary>
    public void Progress(long recoverable)
    {
        metrics?.AfterBatch();
        journal.WriteProgress(train, recoverable: recoverable, fastFolder: fastFolder);
    }

    /// <summary>Writes that the run has ended as it should.</summary>
    public void Ended(bool wasStopped)
    {
        metrics?.Write();
        journal.WriteProgress(train, now: true, fastFolder: fastFolder);
        journal.Write(wasStopped ? "stopped" : "finished", json =>
        {
            json.WriteNumber("step", train.Step);
            json.WriteNumber("batch", train.Batch);
            json.WriteNumber("skipped", train.SkippedBatches);
            if (train.TotalSteps is { } total)
                json.WriteNumber("total_steps", total);
        });
    }

    /// <summary>Writes that training ended without its end being saved.</summary>
    public void Aborted(string? why = null)
    {
        metrics?.Write();
        journal.Write("aborted", json =>
        {
            json.WriteNumber("step", train.Step);
            json.WriteNumber("batch", train.Batch);
            if (why is not null)
                json.WriteString("why", why);
        });
    }
}
