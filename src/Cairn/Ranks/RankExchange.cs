using System.Runtime.InteropServices;

namespace Cairn.Ranks;

/// <summary>A piece of a stream between two ranks: which one it is both know without being told.</summary>
/// <param name="Stream">Which of the streams of this rank.</param>
/// <param name="Offset">Its first byte.</param>
/// <param name="Length">Its bytes.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct RankPiece(int Stream, long Offset, int Length)
{
    /// <summary>Bytes of each piece but the last of a stream. A network sends a piece as a whole, so that this is what a small message may have to wait for.</summary>
    public const int MostBytes = 1 << 19;

    /// <summary>The pieces of streams of these lengths, one stream after the other.</summary>
    public static IEnumerable<RankPiece> Of(IReadOnlyList<long> lengths)
    {
        for (int stream = 0; stream < lengths.Count; stream++)
        {
            for (long offset = 0; offset < lengths[stream]; offset += MostBytes)
                yield return new RankPiece(stream, offset, (int)Math.Min(MostBytes, lengths[stream] - offset));
        }
    }
}

/// <summary>What one rank sends to another.</summary>
/// <param name="To">The other rank.</param>
/// <param name="Lengths">Bytes of each stream.</param>
/// <param name="Read">Gives a piece; what it throws ends the streams early, and the other rank hears of it.</param>
internal sealed record RankSending(int To, IReadOnlyList<long> Lengths, Func<RankPiece, byte[]> Read);

/// <summary>What one rank takes from another.</summary>
/// <param name="From">The other rank.</param>
/// <param name="Lengths">Bytes of each stream.</param>
/// <param name="Take">Takes a piece, in their order; what it throws is kept, and later pieces are passed over.</param>
internal sealed record RankTaking(int From, IReadOnlyList<long> Lengths, Action<RankPiece, ReadOnlyMemory<byte>> Take);

/// <summary>
/// Bytes between pairs of ranks, piece by piece, on a channel of its own: each rank sends and takes at the same time, so that no order of the ranks can make two wait for each other. A piece
/// is sent when the one before has left, which bounds memory.
/// </summary>
/// <param name="inbox">The way for large messages.</param>
/// <param name="clock">The clock.</param>
/// <param name="channel">The channel.</param>
internal sealed class RankExchange(RankInbox inbox, TimeProvider clock, int channel)
{
    private static readonly TimeSpan LongestRest = TimeSpan.FromMilliseconds(10), LongestBeat = TimeSpan.FromSeconds(1);

    /// <summary>Sends and takes all.</summary>
    /// <param name="number">Number of the first piece: higher than any of an earlier exchange on this channel, and the same on all ranks.</param>
    /// <param name="sendings">What is sent.</param>
    /// <param name="takings">What is taken.</param>
    /// <param name="bytesPerSecond">Most that is sent in a second; no limit when <see langword="null"/>.</param>
    /// <param name="timeout">Longest time in which nothing moves.</param>
    /// <param name="progressed">Called after each piece.</param>
    /// <param name="areAllOver">Called now and then, with whether this rank has sent and taken all: meets all ranks, so that none waits long for a slow pair of others, and says whether all have. Without it
    /// each rank returns when it has.</param>
    /// <returns>What went wrong, if anything; what was taken until then is good.</returns>
    public Exception? Run(long number, IReadOnlyList<RankSending> sendings, IReadOnlyList<RankTaking> takings, long? bytesPerSecond, TimeSpan timeout, Action progressed, Func<bool, bool>? areAllOver = null)
    {
        TimeSpan beat = timeout / 8 < LongestBeat ? timeout / 8 : LongestBeat;
        Exception? first = null;
        Outgoing[] outgoing = [.. sendings.Select(sending => new Outgoing(sending, number))];
        Incoming[] incoming = [.. takings.Select(taking => new Incoming(taking, number))];
        long started = clock.GetTimestamp(), lastMoved = started, lastMet = started, sent = 0;
        bool isGivenUp = false;
        while (true)
        {
            bool moved = false, isOver = true;
            foreach (Outgoing one in outgoing)
            {
                isOver &= one.IsOver;
                bool mayMove = bytesPerSecond is not { } rate || sent <= clock.GetElapsedTime(started).TotalSeconds * rate;
                if (one.IsOver || !mayMove || !inbox.Transport.HasSent(one.To))
                    continue;
                sent += one.SendNext(inbox.Transport, channel, ref first);
                moved = true;
            }
            inbox.Collect();
            foreach (Incoming one in incoming)
            {
                while (one.TryTakeNext(inbox, channel, ref first))
                    moved = true;
                isOver &= one.IsOver;
            }
            if (moved)
            {
                lastMoved = clock.GetTimestamp();
                progressed();
            }
            isOver |= isGivenUp;
            if (areAllOver is null ? isOver : isOver || clock.GetElapsedTime(lastMet) > beat)
            {
                if (areAllOver is null || areAllOver(isOver))
                    return first;
                lastMet = clock.GetTimestamp();
                progressed();
                continue;
            }
            if (moved)
                continue;
            // A limit of bandwidth is no silence.
            if (clock.GetElapsedTime(lastMoved) > timeout)
            {
                isGivenUp = true;
                first ??= new CheckpointException($"No byte came from or went to rank {string.Join(", ", outgoing.Where(one => !one.IsOver).Select(one => one.To).Concat(incoming.Where(one => !one.IsOver).Select(one => one.From)).Distinct())} for {timeout.TotalSeconds:0} s.");
                continue;
            }
            inbox.Transport.Rest(LongestRest);
        }
    }

    private sealed class Outgoing(RankSending sending, long number)
    {
        private readonly IEnumerator<RankPiece> _pieces = RankPiece.Of(sending.Lengths).GetEnumerator();
        private long _number = number;

        public int To => sending.To;
        public bool IsOver { get; private set; } = !sending.Lengths.Any(length => length > 0);

        public int SendNext(IRankTransport transport, int channel, ref Exception? first)
        {
            byte[] piece = [];
            if (!_pieces.MoveNext())
            {
                IsOver = true;
                return 0;
            }
            try
            {
                piece = sending.Read(_pieces.Current);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or CheckpointException)
            {
                // An empty piece says that no more comes.
                first ??= e;
                IsOver = true;
            }
            transport.Send(To, new RankMessage(channel, _number++, RankMessageKind.Part, "", piece).Encode());
            return piece.Length;
        }
    }

    private sealed class Incoming(RankTaking taking, long number)
    {
        private readonly IEnumerator<RankPiece> _pieces = RankPiece.Of(taking.Lengths).GetEnumerator();
        private long _number = number;
        private bool _isRefused;
        private bool _hasPiece;

        public int From => taking.From;
        public bool IsOver { get; private set; } = !taking.Lengths.Any(length => length > 0);

        public bool TryTakeNext(RankInbox inbox, int channel, ref Exception? first)
        {
            if (IsOver)
                return false;
            if (!_hasPiece && !(_hasPiece = _pieces.MoveNext()))
            {
                IsOver = true;
                return false;
            }
            if (!inbox.TryTake(channel, From, _number, out RankMessage message))
                return false;
            _number++;
            _hasPiece = false;
            if (message.Payload.Length == 0)
            {
                IsOver = true;
                return true;
            }
            try
            {
                if (message.Payload.Length != _pieces.Current.Length)
                    throw new CheckpointException($"Rank {From} sent {message.Payload.Length} bytes instead of {_pieces.Current.Length}.");
                if (!_isRefused)
                    taking.Take(_pieces.Current, message.Payload);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or CheckpointException)
            {
                first ??= e;
                _isRefused = true;
            }
            return true;
        }
    }
}
