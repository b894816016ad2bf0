using System.Collections.Concurrent;
using Cairn.Ranks;

namespace Cairn.Tests.Ranks;

/// <summary>A job of threads: messages go through queues. A rank can be made silent, as if it had been killed.</summary>
internal sealed class InProcessRanks(int size)
{
    // Sleeps without spinning: on a busy machine, threads that spin take the time of those that work.
    private readonly Mailbox[] _mailboxes = [.. Enumerable.Range(0, size).Select(_ => new Mailbox())];
    private readonly bool[] _silent = new bool[size];
    private RoundClock? _clock;

    /// <summary>
    /// A time of its own, which moves when every rank that lives waits for others. So a time-out means that a rank does not come, however busy the machine is, and costs
    /// no more than its looks.
    /// </summary>
    public RoundClock Clock => _clock ??= new RoundClock(size);

    public IRankTransport Transport(int rank) => new Link(this, rank);

    public void Silence(int rank) => _silent[rank] = true;

    /// <summary>Runs the same program on every rank, each on a thread; throws the first rank's error, if any.</summary>
    public void Run(Action<IRankTransport> program)
    {
        Exception?[] errors = new Exception?[size];
        RunThreads(rank => errors[rank] = Record.Exception(() => program(Transport(rank))));
        for (int rank = 0; rank < size; rank++)
            errors[rank].ShouldBeNull($"rank {rank}");
    }

    /// <summary>Runs a program on a thread for each rank, to the end of all.</summary>
    public void RunThreads(Action<int> program)
    {
        Thread[] threads = [.. Enumerable.Range(0, size).Select(rank => new Thread(() =>
        {
            _clock?.Enter(rank);
            program(rank);
            _clock?.Leave(rank);
        }) { IsBackground = true })];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join(TimeSpan.FromMinutes(10)).ShouldBeTrue("a rank hangs");
    }

    private sealed class Mailbox
    {
        public ConcurrentQueue<(int From, byte[] Message)> Messages { get; } = [];

        public void Put(int from, byte[] message)
        {
            Messages.Enqueue((from, message));
            lock (Messages)
                Monitor.PulseAll(Messages);
        }

        public bool Wait(TimeSpan atMost)
        {
            lock (Messages)
                return !Messages.IsEmpty || Monitor.Wait(Messages, atMost);
        }
    }

    private sealed class Link(InProcessRanks job, int rank) : IRankTransport
    {
        public int Rank => rank;
        public int Size => job._mailboxes.Length;

        public void Send(int to, byte[] message)
        {
            if (!job._silent[rank] && !job._silent[to])
                job._mailboxes[to].Put(rank, message);
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
                job._mailboxes[rank].Wait(atMost);
            else if (!job._mailboxes[rank].Wait(RoundClock.Rest))
                clock.HasRested(rank);
        }
    }
}
