using System.Collections.Concurrent;
using Cairn.Ranks;

namespace Cairn.Tests.Ranks;

/// <summary>A job of threads: messages go through queues. A rank can be made silent, as if it had been killed.</summary>
internal sealed class InProcessRanks(int size)
{
    private readonly Mailbox[] _mailboxes = [.. Enumerable.Range(0, size).Select(_ => new Mailbox())];
    private readonly bool[] _silent = new bool[size];

    public IRankTransport Transport(int rank) => new Link(this, rank);

    public void Silence(int rank) => _silent[rank] = true;

    /// <summary>Runs the same program on every rank, each on a thread; throws the first rank's error, if any.</summary>
    public void Run(Action<IRankTransport> program)
    {
        Exception?[] errors = new Exception?[size];
        Thread[] threads = [.. Enumerable.Range(0, size).Select(rank => new Thread(() => errors[rank] = Record.Exception(() => program(Transport(rank)))))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join(TimeSpan.FromMinutes(2)).ShouldBeTrue("a rank hangs");
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

        public void Rest(TimeSpan atMost) => job._mailboxes[rank].Arrived.Wait(atMost);
    }
}
