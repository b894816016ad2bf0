using System.Buffers;

namespace Cairn.Stores;

/// <summary>
/// Cuts what comes in order into blocks of one size, and has a few of them under way at once while the next is filled. Memory is bounded by the blocks under way. What a
/// block failed with is thrown by a later call.
/// </summary>
/// <param name="blockBytes">Bytes of each block but the last.</param>
/// <param name="mostUnderWay">Blocks that are sent at the same time.</param>
/// <param name="rent">Memory for a block, of at least that size.</param>
/// <param name="send">Sends a block: its offset, its memory, and how many bytes of it are filled. Called from other threads, for several blocks at once.</param>
internal sealed class BlockPipeline(int blockBytes, int mostUnderWay, Func<IMemoryOwner<byte>> rent, Func<long, Memory<byte>, int, Task> send) : IDisposable
{
    private readonly Queue<(Task Sending, IMemoryOwner<byte> Block)> _underWay = new();
    private IMemoryOwner<byte>? _block;
    private int _filled;
    private long _offset;

    /// <summary>Bytes taken so far.</summary>
    public long Position => _offset + _filled;

    /// <summary>Takes the next bytes.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            _block ??= rent();
            int count = Math.Min(bytes.Length, blockBytes - _filled);
            bytes[..count].CopyTo(_block.Memory.Span[_filled..]);
            bytes = bytes[count..];
            _filled += count;
            if (_filled == blockBytes)
                Send();
        }
    }

    /// <summary>Sends what is left, as a shorter block, and waits for all. Nothing may be written after it.</summary>
    public void Complete()
    {
        if (_filled > 0)
            Send();
        while (_underWay.Count > 0)
            EndOldest();
    }

    /// <summary>Waits for what is under way, whatever becomes of it: the blocks are given back only when nobody reads them any more.</summary>
    public void Dispose()
    {
        while (_underWay.Count > 0)
            EndOldest(isGivenUp: true);
        _block?.Dispose();
        _block = null;
    }

    private void Send()
    {
        if (_underWay.Count == mostUnderWay)
            EndOldest();
        (IMemoryOwner<byte> block, long offset, int count) = (_block!, _offset, _filled);
        (_block, _filled, _offset) = (null, 0, offset + count);
        // A thread of its own: a write that waits for the disk should not wait for the program's pool as well, nor keep a thread of it.
        Task<Task> sending = Task.Factory.StartNew(() => send(offset, block.Memory, count), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        _underWay.Enqueue((sending.Unwrap(), block));
    }

    private void EndOldest(bool isGivenUp = false)
    {
        (Task sending, IMemoryOwner<byte> block) = _underWay.Dequeue();
        try
        {
            sending.GetAwaiter().GetResult();
        }
        catch (Exception) when (isGivenUp)
        {
            // The save has an error of its own, or this one has been thrown.
        }
        finally
        {
            block.Dispose();
        }
    }
}
