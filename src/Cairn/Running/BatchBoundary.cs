using Cairn.Starting;

namespace Cairn.Running;

/// <summary>What is done between two batches: reports taken, what was decided saved, and the end saved once. Belongs to the training thread.</summary>
internal sealed class BatchBoundary(StartedRun run, RunAssembly parts)
{
    /// <summary>At the end of a batch.</summary>
    /// <returns>Whether training goes on.</returns>
    public bool EndBatch()
    {
        parts.Batches.Skips();
        // Where the run stands is said by whoever writes it.
        if (!run.IsLost)
            parts.Batches.Progress(parts.Tiers.Recoverable);
        parts.Saver.Collect();
        parts.Drain.Collect();
        parts.Saver.WarmUp();
        BatchDecision decision = parts.Drain.Decide(DecisionPoint.Batch);
        // The end is durable before anybody hears of it, once: whoever trains on all the same is saved as before.
        // Should it fail here, Complete tries again.
        bool savesEnd = decision.Ends && !parts.Decisions.EndSeen;
        parts.Ending.Remind(decision.Ends);
        parts.Decisions.EndSeen = decision.Ends;
        if (savesEnd)
        {
            parts.Saver.CollectUnderWay();
            decision = parts.Drain.Decide(DecisionPoint.End);
        }
        parts.Saver.Save(decision, parts.Decisions.Channel, background: run.Options.Asynchronous && !savesEnd);
        if (savesEnd)
            parts.Drain.Finish();
        // A part may look anew at what it holds when it is captured.
        parts.Watch.RefreshMarks();
        parts.Operators?.Settle(run.Train.Step, parts.Tiers.DurableCheckpoint);
        parts.Decisions.BatchEnded();
        if (savesEnd)
            parts.Ending.Record();
        return !decision.Ends;
    }

    /// <summary>In long work between two batches.</summary>
    /// <returns>Whether to leave that work, because the run was told to stop.</returns>
    public bool Poll()
    {
        parts.Saver.Collect();
        parts.Drain.Collect();
        BatchDecision decision = parts.Drain.Decide(DecisionPoint.Poll);
        if (decision.Save is not null)
        {
            parts.Saver.CollectUnderWay();
            parts.Saver.Save(decision with { IsBusy = false }, parts.Decisions.Channel, background: false);
            parts.Drain.Finish();
            parts.Watch.RefreshMarks();
            parts.Operators?.Settle(run.Train.Step, parts.Tiers.DurableCheckpoint);
        }
        parts.SignalSaver.Allow();
        return decision.Stop || decision.Signal;
    }
}
