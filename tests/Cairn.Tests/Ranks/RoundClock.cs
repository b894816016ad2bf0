namespace Cairn.Tests.Ranks;

/// <summary>
/// Time as the ranks of a job of threads live it. It moves on when each rank has waited for others since it last did: its own thread, and, while it saves or brings copies to the home, each
/// thread that writes. A thread that works, or has no turn on a processor, holds it; one that a test lets hang does not.
/// </summary>
internal sealed class RoundClock(int size) : TimeProvider
{
    /// <summary>How long a wait takes outside: short, for only the number of waits counts.</summary>
    public static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(1);

    private static readonly TimeSpan Round = TimeSpan.FromMilliseconds(10);

    private readonly Lock _gate = new();
    private readonly RankState[] _ranks = [.. Enumerable.Range(0, size).Select(_ => new RankState())];
    private readonly List<RoundTimer> _timers = [];
    private long _now = 1;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp()
    {
        // Whoever asks for the time is awake.
        if (Array.Find(_ranks, static rank => rank.Thread == Thread.CurrentThread) is { } own)
            own.IsWoken = false;
        return Volatile.Read(ref _now);
    }

    /// <summary>A timer for a rank's own thread, which waits for it.</summary>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        RankState? own = Array.Find(_ranks, static rank => rank.Thread == Thread.CurrentThread);
        if (own is null || period != Timeout.InfiniteTimeSpan)
            return base.CreateTimer(callback, state, dueTime, period);
        own.IsWoken = false;
        var timer = new RoundTimer(own, GetTimestamp() + dueTime.Ticks, () => callback(state));
        lock (_gate)
            _timers.Add(timer);
        return timer;
    }

    /// <summary>The calling thread is the rank's own.</summary>
    public void Enter(int rank) => _ranks[rank].Thread = Thread.CurrentThread;

    /// <summary>The rank has ended.</summary>
    public void Leave(int rank) => Note(_ranks[rank], static rank => rank.HasLeft = true);

    /// <summary>How to know how many threads of the rank write.</summary>
    public void Writes(int rank, Func<int> writers) => _ranks[rank].Writers = writers;

    /// <summary>The rank's writer hangs from now on, or no longer.</summary>
    public void Hangs(int rank, bool hangs) => Note(_ranks[rank], state => state.Hangs = hangs);

    /// <summary>The calling thread of a rank has waited in vain.</summary>
    public void HasRested(int rank)
    {
        bool isOwn = _ranks[rank].Thread is not { } own || own == Thread.CurrentThread;
        Note(_ranks[rank], isOwn ? static rank => rank.HasRested = true : static rank => rank.RestedWriters.Add(Thread.CurrentThread));
    }

    private void Note(RankState rank, Action<RankState> what)
    {
        RoundTimer[] due;
        lock (_gate)
        {
            what(rank);
            if (!Array.TrueForAll(_ranks, static rank => rank.Waits))
                return;
            foreach (RankState other in _ranks)
            {
                other.HasRested = false;
                other.RestedWriters.Clear();
            }
            Volatile.Write(ref _now, _now + Round.Ticks);
            due = [.. _timers.Where(timer => timer.Due <= _now)];
            _timers.RemoveAll(timer => timer.Due <= _now || timer.IsDisposed);
            foreach (RoundTimer timer in due)
                timer.Rank.IsWoken = true;
        }
        foreach (RoundTimer timer in due)
            timer.Fire();
    }

    private sealed class RoundTimer(RankState rank, long due, Action fire) : ITimer
    {
        public RankState Rank => rank;
        public long Due => due;
        public bool IsDisposed { get; private set; }

        public void Fire()
        {
            if (!IsDisposed)
                fire();
        }

        public bool Change(TimeSpan dueTime, TimeSpan period) => false;
        public void Dispose() => IsDisposed = true;

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }

    private sealed class RankState
    {
        public Thread? Thread { get; set; }
        public Func<int> Writers { get; set; } = static () => 0;
        public bool HasLeft { get; set; }
        public bool HasRested { get; set; }
        public HashSet<Thread> RestedWriters { get; } = [];
        public bool Hangs { get; set; }
        /// <summary>Its timer has fired, and it has not run since.</summary>
        public bool IsWoken { get; set; }

        public bool Waits
        {
            get
            {
                if (HasLeft)
                    return true;
                int writers = Writers();
                // Its own thread may wait for the writer as well.
                bool waits = HasRested || (writers > 0 && !IsWoken && Thread is { } thread && thread.ThreadState.HasFlag(ThreadState.WaitSleepJoin));
                return waits && (Hangs || RestedWriters.Count >= writers);
            }
        }
    }
}
