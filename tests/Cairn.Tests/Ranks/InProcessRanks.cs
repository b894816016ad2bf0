using System.Collections.Concurrent;
using Cairn.Ranks;

namespace Cairn.Tests.Ranks;

/// <summary>A job of threads: messages go through queues. A rank can be made silent, as if it had been killed.</summary>
internal sealed class InProcessRanks(int size)
{
    private readonly Mailbox[] _mailboxes = [.. Enumerable.Range(0, size).Select(_ => new Mailbox())];
    private readonly bool[] _silent = new bool[size];
    private RoundClock? _clock;

    /// <summary>
    /// A time of its own, for jobs in which a rank does nothing but work on one thread or wait for others: it moves when every rank that lives has looked for messages and rested.
    /// So a time-out means that a rank does not come, however busy the machine is, and costs no more than its looks.
    /// </summary>
    public TimeProvider Clock => _clock ??= new RoundClock(size);

    public IRankTransport Transport(int rank) => new Link(this, rank);

    public void Silence(int rank) => _silent[rank] = true;

    /// <summary>Runs the same program on every rank, each on a thread; throws the first rank's error, if any.</summary>
    public void Run(Action<IRankTransport> program)
    {
        Exception?[] errors = new Exception?[size];
        Thread[] threads = [.. Enumerable.Range(0, size).Select(rank => new Thread(() =>
        {
            errors[rank] = Record.Exception(() => program(Transport(rank)));
            _clock?.Leave(rank);
        }) { IsBackground = true })];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join(TimeSpan.FromMinutes(10)).ShouldBeTrue("a rank hangs");
        for (int rank = 0; rank < size; rank++)
            errors[rank].ShouldBeNull($"rank {rank}");
    }

    private sealed class Mailbox
    {
        public ConcurrentQueue<(int From, byte[] Message)> Messages { get; } = [];
        public SemaphoreSlim Arrived { get; } = new(0);
    }

    private sealed class Link(InProcessRanks job, int rank) : IRankTransport
    {
        public int Rank => rank;
        public int Size => job._mailboxes.Length;

        public void Send(int to, byte[] message)
        {
            if (job._silent[rank] || job._silent[to])
                return;
            job._mailboxes[to].Messages.Enqueue((rank, message));
            job._mailboxes[to].Arrived.Release();
        }

        public bool HasSent(int to) => !job._silent[to];

        public bool TryReceive(out int from, out byte[] message)
        {
            bool found = job._mailboxes[rank].Messages.TryDequeue(out (int From, byte[] Message) next);
            (from, message) = (next.From, next.Message ?? []);
            return found;
        }

        public void Rest(TimeSpan atMost)
        {
            if (job._clock is not { } clock)
                job._mailboxes[rank].Arrived.Wait(atMost);
            else if (!job._mailboxes[rank].Arrived.Wait(RoundClock.Rest))
                clock.HasRested(rank);
        }
    }

    private sealed class RoundClock(int size) : TimeProvider
    {
        /// <summary>How long a rest takes outside: short, for only the number of rests counts.</summary>
        public static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(1);

        private static readonly TimeSpan Round = TimeSpan.FromMilliseconds(10);

        private readonly Lock _gate = new();
        private readonly bool[] _rested = new bool[size], _left = new bool[size];
        private long _now = 1;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;
        public override long GetTimestamp() => Volatile.Read(ref _now);

        public void HasRested(int rank) => Note(_rested, rank);

        public void Leave(int rank) => Note(_left, rank);

        private void Note(bool[] what, int rank)
        {
            lock (_gate)
            {
                what[rank] = true;
                for (int other = 0; other < size; other++)
                {
                    if (!_rested[other] && !_left[other])
                        return;
                }
                Array.Clear(_rested);
                Volatile.Write(ref _now, _now + Round.Ticks);
            }
        }
    }
}
