using Cairn.State;

namespace Cairn.TorchSharp;

/// <summary>Reports the bytes of tensors as they are read, by several threads, and stops at the next piece when it is told to.</summary>
internal sealed class WatchedTensors(IProgress<WeightsProgress>? progress, long total, CancellationToken cancellationToken)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<StateTensor, StateTensor> _watched = new(ReferenceEqualityComparer.Instance);
    private long _done;

    /// <summary>Bytes that are read.</summary>
    public long Done => Volatile.Read(ref _done);

    /// <summary>The tensor, watched; the same for the same, so that ties stay.</summary>
    public StateTensor Of(string name, StateTensor tensor)
    {
        if (!_watched.TryGetValue(tensor, out StateTensor? watched))
            _watched.Add(tensor, watched = new Watched(this, name, tensor));
        return watched;
    }

    // In the lock, so that the numbers come in their order.
    private void Add(string name, int bytes)
    {
        lock (_lock)
        {
            _done += bytes;
            progress?.Report(new WeightsProgress(name, _done, total));
        }
    }

    private sealed class Watched(WatchedTensors owner, string name, StateTensor inner) : StateTensor(inner.Type, [.. inner.Shape])
    {
        public override void CopyTo(long offset, Span<byte> destination)
        {
            owner.Cancellation.ThrowIfCancellationRequested();
            inner.CopyTo(offset, destination);
            owner.Add(name, destination.Length);
        }

        public override IDisposable? Hold() => inner.Hold();
    }

    private CancellationToken Cancellation { get; } = cancellationToken;
}
