using Cairn.State;

namespace Cairn.Capture;

/// <summary>A copy of a tensor in staging memory.</summary>
internal sealed class StagedTensor : StateTensor
{
    private readonly StagingBuffer _buffer;
    private readonly long _start;

    public StagedTensor(StateTensor live, StagingBuffer buffer, long start)
        : base(live.Type, live.Shape is long[] shape ? shape : [.. live.Shape])
    {
        _buffer = buffer;
        _start = start;
    }

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
