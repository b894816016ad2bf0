using System.Buffers;

namespace Cairn.Stores;

/// <summary>
/// Writes an object of a store from its start to its end, a few blocks at a time at once, so that a store that answers late is kept busy. Memory is bounded by the
/// blocks under way. Complete once synced; disposed before that, the object never was.
/// </summary>
internal sealed class StoreFileWriter : IWritableFile
{
    private const int BlockBytes = 8 << 20;
    private const int MostUnderWay = 4;

    private readonly IStoreWriter _writer;
    private readonly CancellationTokenSource _abort = new();
    private readonly Queue<(Task Write, byte[] Block)> _underWay = new();
    private readonly int _blockBytes;
    private byte[]? _block;
    private int _filled;
    private long _offset;

    /// <summary>Begins an object.</summary>
    public StoreFileWriter(IRunStore store, string path, long length)
    {
        StorePath.Check(path);
        _blockBytes = (int)Math.Clamp(length, 1, BlockBytes);
        _writer = StoreCall.Wait(() => store.CreateAsync(path, length));
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            _block ??= ArrayPool<byte>.Shared.Rent(_blockBytes);
            int count = Math.Min(bytes.Length, _blockBytes - _filled);
            bytes[..count].CopyTo(_block.AsSpan(_filled));
            bytes = bytes[count..];
            _filled += count;
            if (_filled == _blockBytes)
                Send();
        }
    }

    public void Sync()
    {
        if (_filled > 0)
            Send();
        while (_underWay.Count > 0)
            EndOldest();
        StoreCall.Wait(() => _writer.CompleteAsync(_abort.Token));
    }

    public void Dispose()
    {
        _abort.Cancel();
        try
        {
            // The blocks are given back only when nobody reads them any more.
            while (_underWay.Count > 0)
                EndOldest(isGivenUp: true);
        }
        finally
        {
            if (_block is not null)
                ArrayPool<byte>.Shared.Return(_block);
            _block = null;
            StoreCall.Wait(_writer.DisposeAsync);
            _abort.Dispose();
        }
    }

    private void Send()
    {
        if (_underWay.Count == MostUnderWay)
            EndOldest();
        (byte[] block, long offset, int count) = (_block!, _offset, _filled);
        (_block, _filled, _offset) = (null, 0, offset + count);
        CancellationToken abort = _abort.Token;
        _underWay.Enqueue((Task.Run(() => _writer.WriteAsync(offset, block.AsMemory(0, count), abort).AsTask(), CancellationToken.None), block));
    }

    private void EndOldest(bool isGivenUp = false)
    {
        (Task write, byte[] block) = _underWay.Dequeue();
        try
        {
            write.GetAwaiter().GetResult();
        }
        catch (Exception) when (isGivenUp)
        {
            // The save has an error of its own, or this one has been thrown.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }
}
