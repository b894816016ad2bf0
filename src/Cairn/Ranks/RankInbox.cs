namespace Cairn.Ranks;

/// <summary>
/// Sorts what arrives by channel and sender. Threads that wait on different channels share one transport: whoever looks
/// takes everything that has arrived, for all.
/// </summary>
internal sealed class RankInbox(IRankTransport transport)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(int Channel, int From), Queue<RankMessage>> _waiting = [];
    private readonly RankInbox? _bulk = transport.Bulk is var bulk && bulk != transport ? new RankInbox(bulk) : null;

    // Far above the numbers that a program would choose for channels of its own.
    private int _lastChannel = 1 << 20;

    /// <summary>For what is large: taken only by whoever wants it, so that its sender is not quicker than its taker.</summary>
    public RankInbox Bulk => _bulk ?? this;

    public int UnusedChannel() => Interlocked.Increment(ref _lastChannel);

    public IRankTransport Transport { get; } = transport;

    /// <summary>The next message of this call. What belongs to calls that are over is dropped; what is ahead stays.</summary>
    public bool TryTake(int channel, int from, long call, out RankMessage message)
    {
        lock (_gate)
        {
            if (_waiting.TryGetValue((channel, from), out Queue<RankMessage>? queue))
            {
                while (queue.TryPeek(out message) && message.Call <= call)
                {
                    queue.Dequeue();
                    if (message.Call == call)
                        return true;
                }
            }
            message = default;
            return false;
        }
    }

    public void Collect()
    {
        lock (_gate)
        {
            while (Transport.TryReceive(out int from, out byte[] bytes))
            {
                RankMessage message = RankMessage.Decode(bytes, from);
                if (!_waiting.TryGetValue((message.Channel, from), out Queue<RankMessage>? queue))
                    _waiting.Add((message.Channel, from), queue = []);
                queue.Enqueue(message);
            }
        }
    }
}
