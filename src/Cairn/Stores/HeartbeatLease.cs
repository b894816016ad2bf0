namespace Cairn.Stores;

/// <summary>
/// The right to write a run, kept by a heartbeat that is written every sixth of its duration, and let go of when this is disposed. Whoever derives from it says how the store tells that it was
/// lost, and where the heartbeat goes.
/// </summary>
internal abstract class HeartbeatLease : ILease
{
    private const int BeatsPerLease = 6;
    // What hangs must not keep the process from ending.
    private static readonly TimeSpan LongestRelease = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly Action<string>? _lost;
    private ITimer? _timer;
    private long _beat;
    private volatile string? _lostTo;
    private int _disposed;

    protected HeartbeatLease(RunLockHolder holder, RunLockHolder? tookOverFrom, TimeProvider time, Action<string>? lost) =>
        (Holder, TookOverFrom, _time, _lost) = (holder, tookOverFrom, time, lost);

    /// <summary>This process, as written when it took the lock.</summary>
    public RunLockHolder Holder { get; }

    public string Token => Holder.Token!;
    public long Fence => Holder.Fence;
    public bool IsLost => _lostTo is not null;
    public RunLockHolder? TookOverFrom { get; }

    /// <summary>The lock, for the error that says it was lost.</summary>
    protected abstract string Place { get; }

    public void Check()
    {
        lock (_gate)
            Look();
        if (_lostTo is { } by)
            throw new RunLockLostException(by) { Path = Place };
    }

    /// <summary>Releases the lock. What names it stays, with what was written last: removing it could remove the lock of a process that just took it.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _timer?.Dispose();
        // A store that hangs answers neither this nor the heartbeat before it.
        if (AsideThread.TryStart("Cairn lock release", Release, out Task released))
            Task.WhenAny(released, Task.Delay(LongestRelease, _time)).Wait();
        else
            Release();
        LeaseClaim.Forget(Token);
    }

    /// <summary>Starts the heart. For the end of a constructor: a beat may come at once.</summary>
    protected void Start()
    {
        TimeSpan between = TimeSpan.FromSeconds(Holder.LeaseSeconds) / BeatsPerLease;
        _timer = _time.CreateTimer(static self => ((HeartbeatLease)self!).Beat(), this, between, between);
    }

    /// <summary>The next record of the holder.</summary>
    protected RunLockHolder NextBeat(bool isReleased = false) => Holder with { Beat = ++_beat, BeatTime = _time.GetUtcNow(), IsReleased = isReleased };

    /// <summary>Who has it now, in a sentence without its end; <see langword="null"/> while it is still held.</summary>
    protected abstract string? FindLoss();

    /// <summary>What may have happened to the lock besides a take-over, for the sentence that says so.</summary>
    protected abstract string OtherwiseLost { get; }

    /// <summary>Writes a heartbeat, or the release.</summary>
    protected abstract void Write(RunLockHolder record);

    /// <summary>Frees what else was taken, after the release was written or could not be.</summary>
    protected virtual void Free() { }

    private void Release()
    {
        lock (_gate)
        {
            try
            {
                // Once it is lost, what stands there is somebody else's.
                if (_lostTo is null)
                    Write(NextBeat(isReleased: true));
            }
            // Whatever it is: nobody stands above this thread.
            catch (Exception)
            {
                // The next run reads that this one did not end cleanly.
            }
            Free();
        }
    }

    private void Beat()
    {
        // One that hangs is enough.
        if (!_gate.TryEnter())
            return;
        try
        {
            if (_disposed != 0 || _lostTo is not null)
                return;
            Look();
            if (_lostTo is null)
                Write(NextBeat());
        }
        // Whatever it is: nobody stands above this thread.
        catch (Exception)
        {
            // A heartbeat that cannot be written is no reason to end training. Should the lock be lost for it, the next save says so.
        }
        finally
        {
            _gate.Exit();
        }
    }

    private void Look()
    {
        if (_lostTo is not null || FindLoss() is not { } by)
            return;
        _lostTo = $"{by}: this one gave no sign of life for {Holder.LeaseSeconds:0.#} s, or {OtherwiseLost}. This process saves nothing any more; stop it, and start the run again once nobody writes it.";
        _lost?.Invoke(_lostTo);
    }
}
