namespace Cairn.Hosting;

/// <summary>What the health check sees of the training. Written by the training thread, read by any: nothing waits for another.</summary>
internal sealed class RunMonitor(TimeProvider time)
{
    private volatile RunSituation _now = new(RunPhase.NotStarted, 0);

    public RunSituation Now => _now;

    /// <summary>How old the state in the newest durable copy is; before the first of this process, how long ago the start was.</summary>
    public TimeSpan AgeOf(RunSituation situation) => situation.Phase == RunPhase.NotStarted ? TimeSpan.Zero : time.GetElapsedTime(situation.Since);

    public void Starting() => _now = new RunSituation(RunPhase.Starting, time.GetTimestamp());

    public void Started(long step, long? durableStep, bool saves) =>
        _now = _now with { Phase = RunPhase.Training, Step = step, SafeStep = step, DurableStep = durableStep, Saves = saves };

    public void Trained(long step) => _now = _now with { Step = step };

    /// <param name="report">A save that ended.</param>
    /// <param name="durableStep">The newest durable copy after it.</param>
    public void Saved(SaveReport report, long? durableStep)
    {
        switch (report.Outcome)
        {
            case SaveOutcome.Saved:
                long taken = time.GetTimestamp() - (long)(report.Duration.TotalSeconds * time.TimestampFrequency);
                RunSituation now = _now;
                _now = now with { DurableStep = durableStep, SafeStep = durableStep ?? now.SafeStep, Since = Math.Max(now.Since, taken), SaveFailed = false, Error = null };
                break;
            case SaveOutcome.Failed or SaveOutcome.Refused:
                _now = _now with { SaveFailed = true, Error = report.Error };
                break;
        }
    }

    public void Ended() => _now = _now with { Phase = RunPhase.Ended };

    public void Failed(Exception error) => _now = _now with { Phase = RunPhase.Failed, Error = error };
}
