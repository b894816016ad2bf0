namespace Cairn.Running;

/// <summary>
/// What the program and the system ask of a run, from any thread, and what all ranks have agreed on of it. In a job nothing but that counts: a rank that stopped alone would leave the
/// others waiting.
/// </summary>
internal sealed class RunRequests(TimeProvider time)
{
    private volatile bool _stop, _signalled, _save;
    // When the first signal came, here or elsewhere; 0 before that.
    private long _signalAt;

    /// <summary>Whether this process was asked to stop by its program.</summary>
    public bool Stop => _stop;

    /// <summary>Whether this process was told to stop by a signal.</summary>
    public bool Signalled => _signalled;

    /// <summary>Whether this process was told to stop in any of these ways.</summary>
    public bool IsAny => _stop || _signalled;

    /// <summary>Whether all ranks have heard that one of them was asked to stop.</summary>
    public bool StopAgreed { get; private set; }

    /// <summary>Whether all ranks have heard that one of them had a signal.</summary>
    public bool SignalAgreed { get; private set; }

    /// <summary>How long ago the first signal came, on whichever rank; zero before that.</summary>
    public TimeSpan SinceSignal => Interlocked.Read(ref _signalAt) is not 0 and long at ? time.GetElapsedTime(at) : TimeSpan.Zero;

    public void RequestStop() => _stop = true;

    public void RequestSave() => _save = true;

    /// <summary>A signal came to this process.</summary>
    public void Signal()
    {
        _ = Interlocked.CompareExchange(ref _signalAt, time.GetTimestamp(), 0);
        _signalled = true;
    }

    /// <summary>Whether a save was asked for since the last call.</summary>
    public bool TakeSave()
    {
        if (!_save)
            return false;
        _save = false;
        return true;
    }

    /// <summary>Takes what all ranks were told.</summary>
    /// <param name="stop">One of them was asked to stop.</param>
    /// <param name="signal">One of them had a signal.</param>
    /// <param name="sinceSignal">How long ago.</param>
    public void Agreed(bool stop, bool signal, TimeSpan sinceSignal)
    {
        (StopAgreed, SignalAgreed) = (stop, signal);
        if (signal)
            _ = Interlocked.CompareExchange(ref _signalAt, time.GetTimestamp() - (long)(sinceSignal.TotalSeconds * time.TimestampFrequency), 0);
    }
}
