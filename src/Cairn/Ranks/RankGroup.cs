using System.Text;
using Cairn.Checkpoints;

namespace Cairn.Ranks;

/// <summary>
/// The ranks of a job, and how they agree. All ranks make the same calls in the same order, each naming its purpose in the same
/// words; a rank that is elsewhere is found out. The first rank collects everybody's part, decides, and tells all.
/// <para>Every call ends within its time-out, whatever the others do: with the decision, or with an error that names the ranks
/// that are missing or the one that failed. The first rank gives up after the time-out, the others a tenth later (at least 200 ms),
/// so that as a rule its verdict is the one that all hear. A rank that dies while the verdict is on its way can still leave
/// the others in doubt; what must never be in doubt belongs into the store. After an error the group can be used again: late
/// messages of calls that are over are dropped.</para>
/// <para>One thread at a time for each channel; another thread takes a <see cref="Channel"/> of its own.</para>
/// </summary>
public sealed class RankGroup
{
    /// <summary>The time-out of calls that give none, unless the group was made with another.</summary>
    public static readonly TimeSpan StandardTimeout = TimeSpan.FromMinutes(2);

    private const int First = 0;
    private static readonly TimeSpan LongestRest = TimeSpan.FromMilliseconds(10);
    private readonly RankInbox _inbox;
    private readonly TimeProvider _clock;
    private readonly int _channel;
    // Shared by the groups of one channel.
    private readonly ChannelState _state;

    /// <summary>A group over this transport.</summary>
    /// <param name="transport">Carries the messages.</param>
    /// <param name="world">Sizes of the job; their product is the transport's size.</param>
    /// <param name="timeout">Time-out of calls that give none; <see cref="StandardTimeout"/> when null.</param>
    /// <param name="clock">Source of time; the system's when null.</param>
    /// <exception cref="CheckpointException">World and transport differ in size.</exception>
    public RankGroup(IRankTransport transport, World world, TimeSpan? timeout = null, TimeProvider? clock = null)
        : this(new RankInbox(transport ?? throw new ArgumentNullException(nameof(transport))), world, timeout ?? StandardTimeout, clock ?? TimeProvider.System, channel: 0, new ChannelState())
    {
    }

    private RankGroup(RankInbox inbox, World world, TimeSpan timeout, TimeProvider clock, int channel, ChannelState state)
    {
        ArgumentNullException.ThrowIfNull(world);
        CheckTimeout(timeout);
        if (world.Size != inbox.Transport.Size)
            throw new CheckpointException($"The world has {world.Size} ranks ({world}) and the job {inbox.Transport.Size}.");
        (_inbox, _clock, _channel, _state, World, Timeout) = (inbox, clock, channel, state, world, timeout);
        Coordinates = world.CoordinatesOf(Rank);
    }

    /// <summary>One rank, alone: every call returns at once.</summary>
    public static RankGroup Single => new(Alone, World.Single);
    /// <summary>The transport of a job of one rank.</summary>
    public static IRankTransport Alone { get; } = new NoTransport();

    /// <summary>This rank, from 0.</summary>
    public int Rank => _inbox.Transport.Rank;
    /// <summary>Number of ranks.</summary>
    public int Size => _inbox.Transport.Size;
    /// <summary>Whether this is the rank that decides.</summary>
    public bool IsFirst => Rank == First;
    /// <summary>Sizes of the job.</summary>
    public World World { get; }
    /// <summary>Where this rank stands in the world.</summary>
    public RankCoordinates Coordinates { get; }
    /// <summary>Time-out of calls that give none.</summary>
    public TimeSpan Timeout { get; }

    /// <summary>
    /// The same ranks, with calls that do not mix with those of other channels: for another thread. All ranks open the same numbers.
    /// </summary>
    /// <param name="number">From 1; each used for one group object only.</param>
    /// <param name="timeout">Time-out of its calls that give none; this group's when null.</param>
    public RankGroup Channel(int number, TimeSpan? timeout = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(number, 1);
        return new RankGroup(_inbox, World, timeout ?? Timeout, _clock, number, new ChannelState());
    }

    /// <summary>A channel's number that was never given out here. One rank asks, and tells the others.</summary>
    internal int UnusedChannel() => _inbox.UnusedChannel();

    /// <summary>
    /// The same ranks placed in a world of these sizes, once all have said that theirs are the same.
    /// </summary>
    /// <exception cref="CheckpointException">A rank has other sizes, or they do not multiply to <see cref="Size"/>.</exception>
    public RankGroup In(World world, TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(world);
        byte[][] all = AllGather("sizes of the world", Encoding.UTF8.GetBytes(world.ToString()), timeout);
        for (int rank = 0; rank < Size; rank++)
        {
            string other = Encoding.UTF8.GetString(all[rank]);
            if (other != world.ToString())
                throw new CheckpointException($"Rank {Rank} is in {world} and rank {rank} in {other}. Give all ranks the same sizes.") { Rank = rank, Expected = world.ToString(), Found = other };
        }
        return new RankGroup(_inbox, world, Timeout, _clock, _channel, _state);
    }

    /// <summary>
    /// The core: every rank brings a part, the first rank decides from all of them, every rank gets the decision.
    /// All other calls are made of this one.
    /// </summary>
    /// <param name="purpose">What it is about, the same text on all ranks; stands in error messages.</param>
    /// <param name="part">This rank's part; small.</param>
    /// <param name="decide">Called on the first rank alone, with all parts in the order of ranks. What it throws fails the call everywhere.</param>
    /// <param name="timeout">Longest wait; the group's when null.</param>
    /// <param name="cancellationToken">Ends the waiting of this rank. On the first rank it fails the call everywhere; on another the call goes on without it.</param>
    /// <exception cref="RankTimeoutException">Ranks did not take part in time.</exception>
    /// <exception cref="RankFailedException">A rank reported an error, or the first rank could not decide.</exception>
    /// <exception cref="RankOrderException">A rank is at another call.</exception>
    public byte[] Agree(string purpose, ReadOnlySpan<byte> part, Func<IReadOnlyList<ReadOnlyMemory<byte>>, byte[]> decide, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(purpose);
        ArgumentNullException.ThrowIfNull(decide);
        TimeSpan patience = timeout ?? Timeout;
        CheckTimeout(patience);
        RankCall call = new(_inbox, _clock, _channel, _state.Calls++, purpose, LongestRest);
        try
        {
            byte[] decision = IsFirst ? call.Lead(part.ToArray(), decide, patience, cancellationToken) : call.Follow(part, patience, cancellationToken);
            _state.LastError = null;
            return decision;
        }
        // All ranks hear of one that failed, and can meet again.
        catch (CheckpointException e) when (e is RankTimeoutException or RankOrderException)
        {
            _state.LastError = e.Message;
            throw;
        }
    }

    /// <summary>Every rank gets every rank's message, in the order of ranks. For n ranks the first one sends n² messages' bytes: keep them small.</summary>
    /// <inheritdoc cref="Agree"/>
    public byte[][] AllGather(string purpose, ReadOnlySpan<byte> message, TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        RankMessage.UnpackParts(Agree(purpose, message, RankMessage.PackParts, timeout, cancellationToken), Size);

    /// <summary>Every rank gets the message of one.</summary>
    /// <param name="purpose">What it is about, the same text on all ranks.</param>
    /// <param name="message">The message; of no account on other ranks.</param>
    /// <param name="from">The rank that speaks.</param>
    /// <param name="timeout">Longest wait; the group's when null.</param>
    /// <param name="cancellationToken">As in <see cref="Agree"/>.</param>
    /// <inheritdoc cref="Agree" path="/exception"/>
    public byte[] Broadcast(string purpose, ReadOnlySpan<byte> message, int from = First, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(from, Size);
        return Agree(purpose, Rank == from ? message : default, parts => parts[from].ToArray(), timeout, cancellationToken);
    }

    /// <summary>Waits until all ranks have called it.</summary>
    /// <inheritdoc cref="Agree"/>
    public void Barrier(string purpose, TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        _ = Agree(purpose, default, static _ => [], timeout, cancellationToken);

    /// <summary>
    /// Takes this rank's place in the next call with an error, without waiting: the call of all other ranks ends at once with a
    /// <see cref="RankFailedException"/> that carries it.
    /// </summary>
    /// <param name="purpose">The call that this rank cannot take part in.</param>
    /// <param name="error">What went wrong, for the other ranks' logs.</param>
    public void Fail(string purpose, string error)
    {
        ArgumentException.ThrowIfNullOrEmpty(purpose);
        ArgumentException.ThrowIfNullOrEmpty(error);
        new RankCall(_inbox, _clock, _channel, _state.Calls++, purpose, LongestRest).Fail(error);
    }

    /// <summary>Sends many bytes to single ranks and takes theirs, on this channel, on which nothing else is called. See <see cref="RankExchange"/>.</summary>
    internal Exception? Exchange(long number, IReadOnlyList<RankSending> sendings, IReadOnlyList<RankTaking> takings, long? bytesPerSecond, TimeSpan timeout, Action progressed, Func<bool, bool>? areAllOver = null) =>
        new RankExchange(_inbox.Bulk, _clock, _channel).Run(number, sendings, takings, bytesPerSecond, timeout, progressed, areAllOver);

    /// <summary>Does what this rank does by itself: the others, who would wait for it in their next call, hear of its error at once.</summary>
    internal T OrFail<T>(string purpose, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (Size > 1)
        {
            Fail(purpose, e.Message);
            throw;
        }
    }

    /// <summary>
    /// Says that the ranks lost one another outside of this group: a collective failed, and cannot be used again. A checkpoint manager of this group then saves no end, since it
    /// could not be agreed on, and tells the other ranks why this one has ended. The collectives of Cairn.Mpi say it themselves.
    /// </summary>
    /// <param name="why">What happened, naming the ranks that are missing.</param>
    public void MarkApart(string why)
    {
        ArgumentException.ThrowIfNullOrEmpty(why);
        _state.Broken ??= why;
    }

    /// <summary>Why the ranks are known not to be at the same place: what was said to <see cref="MarkApart"/>, or the error of the newest call that not all took part in; <see langword="null"/> when they have met since.</summary>
    internal string? WhyApart => _state.Broken ?? _state.LastError;

    private static void CheckTimeout(TimeSpan timeout)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(timeout, TimeSpan.Zero, nameof(timeout));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(timeout, TimeSpan.FromDays(1), nameof(timeout));
    }

    private sealed class ChannelState
    {
        public long Calls { get; set; }
        public string? LastError { get; set; }
        public string? Broken { get; set; }
    }

    private sealed class NoTransport : IRankTransport
    {
        public int Rank => 0;
        public int Size => 1;
        public void Send(int rank, byte[] message) => throw new ArgumentOutOfRangeException(nameof(rank), rank, "There is one rank.");
        public bool HasSent(int rank) => true;
        public bool TryReceive(out int from, out byte[] message)
        {
            (from, message) = (0, []);
            return false;
        }
        public void Rest(TimeSpan atMost) { }
    }
}
