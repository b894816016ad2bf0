using Cairn.Checkpoints;
using Cairn.Ranks;

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
                (error?.Message, taken).ShouldBe((round, channel.Rank) switch { (1, 0) => ("cannot read", 0), (1, 1) => (null, 1), _ => (null, 3) });
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

    private static byte[] Bytes(int rank, int round, RankPiece piece)
    {
        byte[] bytes = new byte[piece.Length];
        new Random(HashCode.Combine(rank, round, piece.Stream, piece.Offset)).NextBytes(bytes);
        return bytes;
    }
}
