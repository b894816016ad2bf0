using System.Runtime.InteropServices;
using Cairn.Stores;

namespace Cairn.Capture;

/// <summary>
/// The staging memory of one manager: one native block, lent to one capture at a time. It grows to the largest state seen and
/// is then reused, because never-touched memory is several times slower to write than warm memory.
/// All members may be called from any thread.
/// </summary>
internal sealed unsafe class StagingPool : IDisposable
{
    private const long HugePage = 2L << 20;
    private const long Page = 4096;
    private const long TouchedAtOnce = 16L << 20;

    private readonly SemaphoreSlim _free = new(1, 1);
    private byte* _memory;
    private long _capacity;
    private long _touched;
    private volatile bool _disposed;

    /// <summary>Bytes of native memory that the pool holds.</summary>
    public long Capacity => Interlocked.Read(ref _capacity);

    /// <summary>Whether the memory is not lent.</summary>
    public bool IsFree => _free.CurrentCount > 0;

    /// <summary>Lends memory for this many bytes; waits while an earlier capture is still being written.</summary>
    /// <exception cref="CheckpointException">The memory cannot be had.</exception>
    /// <exception cref="ObjectDisposedException">The pool was disposed.</exception>
    /// <exception cref="OperationCanceledException">Cancelled while waiting.</exception>
    public StagingBuffer Rent(long bytes, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        _free.Wait(cancellationToken);
        return Lend(bytes);
    }

    /// <summary>Lends memory for this many bytes, or gives <see langword="null"/> when an earlier capture is still being written.</summary>
    /// <exception cref="CheckpointException">The memory cannot be had.</exception>
    /// <exception cref="ObjectDisposedException">The pool was disposed.</exception>
    public StagingBuffer? TryRent(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        return _free.Wait(0, CancellationToken.None) ? Lend(bytes) : null;
    }

    /// <summary>
    /// Grows to this many bytes and touches every page, on several threads, so that the first capture is as fast as later
    /// ones. Meant for a background thread at the start of training; waits while the memory is lent.
    /// </summary>
    /// <exception cref="CheckpointException">The memory cannot be had.</exception>
    /// <exception cref="ObjectDisposedException">The pool was disposed.</exception>
    public void PreTouch(long bytes)
    {
        using StagingBuffer buffer = Rent(bytes, CancellationToken.None);
        long from = _touched, to = _capacity;
        if (from >= to)
            return;
        byte* memory = _memory;
        Parallel.For(0, (int)((to - from + TouchedAtOnce - 1) / TouchedAtOnce), i =>
        {
            long start = from + (i * TouchedAtOnce), end = Math.Min(start + TouchedAtOnce, to);
            for (long at = start; at < end; at += Page)
                Volatile.Write(ref memory[at], 0);
        });
        _touched = to;
    }

    /// <summary>Frees the memory; when it is lent, as soon as it comes back.</summary>
    public void Dispose()
    {
        _disposed = true;
        if (!_free.Wait(0, CancellationToken.None))
            return;
        Free();
        _free.Release();
    }

    internal void Return()
    {
        _free.Release();
        // Checked after the release: Dispose may have come and found the memory lent a moment ago.
        if (_disposed)
            Dispose();
    }

    private StagingBuffer Lend(long bytes)
    {
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            Grow(bytes);
            return new StagingBuffer(this, _memory, bytes);
        }
        catch
        {
            Return();
            throw;
        }
    }

    private void Grow(long bytes)
    {
        if (bytes <= _capacity)
            return;
        // The old block goes first: at no time are there two.
        Free();
        long capacity = checked(bytes + HugePage - 1) / HugePage * HugePage;
        try
        {
            _memory = (byte*)NativeMemory.AlignedAlloc((nuint)capacity, (nuint)HugePage);
        }
        catch (OutOfMemoryException e)
        {
            throw new CheckpointException($"There is no memory for a staging copy of {bytes} bytes. Save synchronously, or leave that much memory free.", e) { IsTransient = true };
        }
        Interlocked.Exchange(ref _capacity, capacity);
        if (OperatingSystem.IsLinux())
            UnixMemory.AdviseHugePages(_memory, (nuint)capacity);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
        _touched = 0;
        Interlocked.Exchange(ref _capacity, 0);
    }
}
