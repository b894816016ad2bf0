namespace Cairn.Ranks;

/// <summary>
/// One call of a <see cref="RankGroup"/>, as the first rank sees it (<see cref="Lead"/>) and as the others do (<see cref="Follow"/>).
/// <code>
/// others → first:   Part | Failure
/// first → others:   Waiting* then one of Decision | TimedOut | Failed | OutOfOrder
/// </code>
/// The verdict goes to the missing ranks too: one that was only stalled then learns at once that it came too late.
/// </summary>
internal sealed class RankCall(RankInbox inbox, TimeProvider clock, int channel, long number, string purpose, TimeSpan longestRest)
{
    private const int First = 0;
    private static readonly TimeSpan ShortestGrace = TimeSpan.FromMilliseconds(200);
    private readonly IRankTransport _transport = inbox.Transport;
    private readonly long _start = clock.GetTimestamp();

    public byte[] Lead(byte[] part, Func<IReadOnlyList<ReadOnlyMemory<byte>>, byte[]> decide, TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            byte[] decision = decide(Collect(part, timeout, cancellationToken));
            Tell(RankMessageKind.Decision, decision);
            while (Others().Any(rank => !_transport.HasSent(rank)) && Waited < timeout)
                Rest(timeout - Waited);
            return decision;
        }
        catch (RankTimeoutException e)
        {
            Tell(RankMessageKind.TimedOut, RankMessage.PackRanks(e.Missing));
            throw;
        }
        catch (RankFailedException e)
        {
            Tell(RankMessageKind.Failed, RankMessage.PackText(e.Rank ?? First, e.Error));
            throw;
        }
        catch (RankOrderException e)
        {
            Tell(RankMessageKind.OutOfOrder, RankMessage.PackText(e.Rank ?? First, e.Found ?? ""));
            throw;
        }
        catch (Exception e)
        {
            Tell(RankMessageKind.Failed, RankMessage.PackText(First, e is OperationCanceledException ? "cancelled" : e.Message));
            throw;
        }
    }

    public byte[] Follow(ReadOnlySpan<byte> part, TimeSpan timeout, CancellationToken cancellationToken)
    {
        TimeSpan grace = timeout / 10;
        TimeSpan patience = timeout + (grace > ShortestGrace ? grace : ShortestGrace);
        _transport.Send(First, Encode(RankMessageKind.Part, part.ToArray()));
        IReadOnlyList<int> missing = [First];
        while (true)
        {
            inbox.Collect();
            while (inbox.TryTake(channel, First, number, out RankMessage message))
            {
                if (message.Kind != RankMessageKind.Waiting)
                    return Verdict(message);
                missing = message.Ranks();
            }
            cancellationToken.ThrowIfCancellationRequested();
            if (Waited >= patience)
                throw RankTimeoutException.Of(_transport.Rank, purpose, Waited, missing);
            Rest(patience - Waited);
        }
    }

    public void Fail(string error)
    {
        if (_transport.Rank == First)
            Tell(RankMessageKind.Failed, RankMessage.PackText(First, error));
        else
            _transport.Send(First, Encode(RankMessageKind.Failure, RankMessage.PackText(_transport.Rank, error)));
    }

    private TimeSpan Waited => clock.GetElapsedTime(_start);

    private ReadOnlyMemory<byte>[] Collect(byte[] own, TimeSpan timeout, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte>[] parts = new ReadOnlyMemory<byte>[_transport.Size];
        parts[First] = own;
        List<int> missing = [.. Others()];
        TimeSpan between = TimeSpan.FromSeconds(Math.Clamp(timeout.TotalSeconds / 8, 0.02, 5)), nextNotice = between;
        while (true)
        {
            inbox.Collect();
            missing.RemoveAll(rank => TryPart(rank, parts));
            if (missing.Count == 0)
                return parts;
            cancellationToken.ThrowIfCancellationRequested();
            if (Waited >= timeout)
                throw RankTimeoutException.Of(First, purpose, Waited, missing);
            if (Waited >= nextNotice)
            {
                nextNotice = Waited + between;
                byte[] notice = Encode(RankMessageKind.Waiting, RankMessage.PackRanks(missing));
                foreach (int rank in Others().Except(missing))
                    _transport.Send(rank, notice);
            }
            TimeSpan left = timeout - Waited, notify = nextNotice - Waited;
            Rest(left < notify ? left : notify);
        }
    }

    private bool TryPart(int rank, ReadOnlyMemory<byte>[] parts)
    {
        if (!inbox.TryTake(channel, rank, number, out RankMessage message))
            return false;
        if (message.Kind == RankMessageKind.Failure)
            throw Failed(rank, message.Text().Text);
        if (message.Purpose != purpose)
            throw OutOfOrder(rank, message.Purpose);
        parts[rank] = message.Payload;
        return true;
    }

    private byte[] Verdict(RankMessage message)
    {
        switch (message.Kind)
        {
            case RankMessageKind.Decision when message.Purpose == purpose:
                return message.Payload.ToArray();
            case RankMessageKind.TimedOut:
                throw RankTimeoutException.Of(_transport.Rank, purpose, Waited, message.Ranks());
            case RankMessageKind.Failed:
                (int rank, string error) = message.Text();
                throw Failed(rank, error);
            case RankMessageKind.OutOfOrder:
                (rank, string at) = message.Text();
                throw rank == _transport.Rank ? OutOfOrder(First, message.Purpose) : OutOfOrder(rank, at);
            default:
                throw OutOfOrder(First, message.Purpose);
        }
    }

    private RankFailedException Failed(int rank, string error) =>
        new($"{purpose}: rank {rank} failed: {error}") { Rank = rank, Purpose = purpose, Error = error };

    private RankOrderException OutOfOrder(int rank, string at) =>
        new($"Rank {rank} is at '{at}' while rank {_transport.Rank} is at '{purpose}': all ranks must make the same calls in the same order. Look for a decision that each rank makes on its own.")
        {
            Rank = rank,
            Expected = purpose,
            Found = at,
        };

    private IEnumerable<int> Others() => Enumerable.Range(0, _transport.Size).Where(rank => rank != _transport.Rank);

    private void Tell(RankMessageKind kind, byte[] payload)
    {
        byte[] bytes = Encode(kind, payload);
        foreach (int rank in Others())
            _transport.Send(rank, bytes);
    }

    private byte[] Encode(RankMessageKind kind, byte[] payload) => new RankMessage(channel, number, kind, purpose, payload).Encode();

    private void Rest(TimeSpan atMost)
    {
        // The time may have run out since the caller looked at the clock. Other threads take messages for this call too, so a rest is never long.
        TimeSpan rest = atMost < longestRest ? atMost : longestRest;
        _transport.Rest(rest > TimeSpan.Zero ? rest : TimeSpan.Zero);
        inbox.Collect();
    }
}
