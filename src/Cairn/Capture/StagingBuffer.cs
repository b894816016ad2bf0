namespace Cairn.Capture;

/// <summary>Native memory lent by a <see cref="StagingPool"/>. Disposing it gives the memory back; nobody may use its bytes after that.</summary>
internal sealed unsafe class StagingBuffer : IDisposable
{
    private readonly StagingPool _pool;
    private readonly byte* _memory;
    private int _returned;

    internal StagingBuffer(StagingPool pool, byte* memory, long length)
    {
        _pool = pool;
        _memory = memory;
        Length = length;
    }

    /// <summary>Bytes that were asked for.</summary>
    public long Length { get; }

    /// <summary>A part of the memory. Valid until the buffer is disposed.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The part does not lie in the buffer.</exception>
    /// <exception cref="ObjectDisposedException">The memory was given back.</exception>
    public Span<byte> Span(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _returned) != 0, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - length);
        return new Span<byte>(_memory + offset, length);
    }

    /// <summary>Gives the memory back to the pool.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _returned, 1) == 0)
            _pool.Return();
    }
}
