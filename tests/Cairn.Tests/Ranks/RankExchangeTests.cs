using Cairn.Checkpoints;
using Cairn.Ranks;
using Cairn.Tests.Manager.Job;

namespace Cairn.Tests.Ranks;

public class RankExchangeTests
{
    private static readonly World Three = new(1, 1, 3, 1);

    [Fact]
    public void Every_rank_gets_every_byte_of_the_one_before_it()
    {
        var job = new InProcessRanks(3);
        RoundClock clock = job.Clock;
        job.Run(transport =>
        {
            RankGroup channel = new RankGroup(transport, Three, clock: clock).Channel(1);
            for (int round = 1; round <= 3; round++)
            {
                long[] lengths = [0, 1, RankPiece.MostBytes, RankPiece.MostBytes + 7, 0];
                byte[][] taken = [.. lengths.Select(length => new byte[length])];
                int from = (channel.Rank + 2) % 3;
                channel.Exchange((long)round << 32, [new RankSending((channel.Rank + 1) % 3, lengths, piece => Bytes(channel.Rank, round, piece))],
                    [new RankTaking(from, lengths, (piece, bytes) => bytes.CopyTo(taken[piece.Stream].AsMemory((int)piece.Offset)))], null, TimeSpan.FromSeconds(20), static () => { }).ShouldBeNull();
                foreach (RankPiece piece in RankPiece.Of(lengths))
                    taken[piece.Stream].AsSpan((int)piece.Offset, piece.Length).SequenceEqual(Bytes(from, round, piece)).ShouldBeTrue();
            }
        });
    }

    [Fact]
    public void A_rank_that_cannot_read_or_write_keeps_nobody_waiting_and_the_next_exchange_is_good()
    {
        var job = new InProcessRanks(3);
        RoundClock clock = job.Clock;
        job.Run(transport =>
        {
            RankGroup channel = new RankGroup(transport, Three, clock: clock).Channel(1);
            for (int round = 1; round <= 2; round++)
            {
                long[] lengths = [3L * RankPiece.MostBytes];
                int taken = 0, now = round;
                Exception? error = channel.Exchange((long)round << 32,
                    [new RankSending((channel.Rank + 1) % 3, lengths, piece => channel.Rank == 0 && now == 1 && piece.Offset > 0 ? throw new IOException("cannot read") : new byte[piece.Length])],
                    [new RankTaking((channel.Rank + 2) % 3, lengths, (_, _) => taken += channel.Rank == 0 && now == 1 ? throw new IOException("cannot write") : 1)], null, TimeSpan.FromSeconds(20), static () => { });
                // Whichever of its two troubles comes first.
                string? expected = (round, channel.Rank) == (1, 0) ? error?.Message is "cannot write" ? "cannot write" : "cannot read" : null;
                (error?.Message, taken).ShouldBe((expected, (round, channel.Rank) switch { (1, 0) => 0, (1, 1) => 1, _ => 3 }));
            }
        });
    }

    [Fact]
    public void One_that_is_dead_is_named()
    {
        var job = new InProcessRanks(3);
        RoundClock clock = job.Clock;
        job.Silence(2);
        job.Run(transport =>
        {
            if (transport.Rank == 2)
                return;
            RankGroup channel = new RankGroup(transport, Three, clock: clock).Channel(1);
            Exception? error = channel.Exchange(1L << 32, [new RankSending((channel.Rank + 1) % 3, [5], piece => new byte[piece.Length])],
                [new RankTaking((channel.Rank + 2) % 3, [5], static (_, _) => { })], null, TimeSpan.FromSeconds(2), static () => { });
            error.ShouldNotBeNull().Message.ShouldContain("rank 2");
        });
    }

    [Fact]
    public void Calls_do_not_wait_for_large_pieces_that_do_not_leave()
    {
        InProcessRanks job = new(3), bulk = new(3);
        using var gate = new ManualResetEventSlim();
        job.Run(transport =>
        {
            var ranks = new RankGroup(new TwoWays(transport, bulk.Transport(transport.Rank), gate), Three);
            RankGroup channel = ranks.Channel(1);
            long[] lengths = [5L * RankPiece.MostBytes];
            long taken = 0;
            Exception? error = null;
            var sending = new Thread(() => error = channel.Exchange(1L << 32, [new RankSending((ranks.Rank + 1) % 3, lengths, piece => new byte[piece.Length])],
                [new RankTaking((ranks.Rank + 2) % 3, lengths, (_, bytes) => taken += bytes.Length)], null, JobOfThreads.Patience, static () => { }));
            sending.Start();
            for (int i = 0; i < 20; i++)
                ranks.Barrier("end of batch");
            taken.ShouldBe(0);
            ranks.Barrier("met often");
            gate.Set();
            sending.Join();
            error.ShouldBeNull();
            taken.ShouldBe(lengths[0]);
        });
    }

    // Its large messages leave when a gate opens.
    private sealed class TwoWays(IRankTransport small, IRankTransport large, ManualResetEventSlim gate) : IRankTransport
    {
        public int Rank => small.Rank;
        public int Size => small.Size;
        public IRankTransport Bulk { get; } = new Gated(large, gate);
        public void Send(int rank, byte[] message) => small.Send(rank, message);
        public bool HasSent(int rank) => small.HasSent(rank);
        public bool TryReceive(out int from, out byte[] message) => small.TryReceive(out from, out message);
        public void Rest(TimeSpan atMost) => small.Rest(atMost);
    }

    private sealed class Gated(IRankTransport inner, ManualResetEventSlim gate) : IRankTransport
    {
        public int Rank => inner.Rank;
        public int Size => inner.Size;
        public void Send(int rank, byte[] message) => inner.Send(rank, message);
        public bool HasSent(int rank) => gate.IsSet && inner.HasSent(rank);
        public bool TryReceive(out int from, out byte[] message) => inner.TryReceive(out from, out message);
        public void Rest(TimeSpan atMost) => inner.Rest(atMost);
    }

    private static byte[] Bytes(int rank, int round, RankPiece piece)
    {
        byte[] bytes = new byte[piece.Length];
        new Random(HashCode.Combine(rank, round, piece.Stream, piece.Offset)).NextBytes(bytes);
        return bytes;
    }
}
