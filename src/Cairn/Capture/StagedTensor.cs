using Cairn.State;

namespace Cairn.Capture;

/// <summary>A copy of a tensor in staging memory.</summary>
internal sealed class StagedTensor : StateTensor
{
    private StagingBuffer _buffer;
    private long _start;

    public StagedTensor(StateTensor live, StagingBuffer buffer, long start)
        : base(live.Type, live.Sizes)
    {
        _buffer = buffer;
        _start = start;
        IsFrozen = live.IsFrozen;
    }

    /// <summary>Makes it the copy of another time, in other memory. Nobody may be reading it.</summary>
    public void Place(StagingBuffer buffer, long start) => (_buffer, _start) = (buffer, start);

    public override void CopyTo(long offset, Span<byte> destination) => Bytes(offset, destination.Length).CopyTo(destination);

    public override bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        bytes = Bytes(offset, length);
        return true;
    }

    private Span<byte> Bytes(long offset, int length)
    {
        // The buffer knows its own end only; beyond this tensor lies another one.
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, ByteLength - length);
        return _buffer.Span(_start + offset, length);
    }
}
