using Cairn.Starting;
using Cairn.Tiers;

namespace Cairn.Running;

/// <summary>Lets the drain begin what was decided, and takes its reports. Nothing happens in a run without a fast tier. Belongs to the training thread, but for what <see cref="RunSaver.Deferred"/> does.</summary>
internal sealed class RunDrain(StartedRun run, Drain? drain, BatchDecisions decisions, RunSaver saver, RunPatience patience)
{
    private TieredCopy? _underWay;

    /// <summary>Decides, together with the other ranks, and begins to bring a copy to the home, if that was decided.</summary>
    public BatchDecision Decide(DecisionPoint point)
    {
        BatchDecision decision = decisions.At(point);
        if (drain is null || decision.Drain is not { } copy)
            return decision;
        Collect();
        _underWay = copy;
        drain.Begin(copy, decisions.DrainChannel, patience.Longest);
        return decision;
    }

    /// <summary>Takes the report of a copy that was brought, if one was.</summary>
    public void Collect()
    {
        while (drain?.Collect(_underWay) is { } report)
            saver.Report(report);
    }

    /// <summary>Brings to the home what is not there yet, and waits for it; a home that refuses ends it.</summary>
    /// <returns>Whether the home has everything.</returns>
    public bool Finish()
    {
        if (drain is null)
            return true;
        for (bool isFirst = true; ; isFirst = false)
        {
            patience.WaitFor(drain.Writer, $"drain at batch {run.Train.Batch}");
            Collect();
            // What failed before is tried once more.
            if (!isFirst && drain.HasFailed)
                return false;
            BatchDecision decision = Decide(DecisionPoint.Drain);
            if (decision.Drain is null)
                return decision.IsDrained;
        }
    }

    /// <summary>Frees the fast folder of a run that has ended and is at home as a whole.</summary>
    public void Free()
    {
        if (run.Fast is not { } fast)
            return;
        fast.Copies.Clear();
        if (!fast.IsLeader)
            return;
        try
        {
            fast.Place.Clear();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CheckpointException)
        {
            // It costs memory or space and nothing else; the next save uses it again.
        }
    }
}
