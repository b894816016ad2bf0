using System.Buffers;

namespace Cairn.Stores;

/// <summary>
/// Writes an object of a store from its start to its end, a few blocks at a time at once, so that a store that answers late is kept busy. Complete once synced; disposed
/// before that, the object never was.
/// </summary>
internal sealed class StoreFileWriter : IWritableFile
{
    private const int BlockBytes = 8 << 20;
    private const int MostUnderWay = 4;

    private readonly IStoreWriter _writer;
    private readonly CancellationTokenSource _abort = new();
    private readonly BlockPipeline _blocks;

    /// <summary>Begins an object.</summary>
    public StoreFileWriter(IRunStore store, string path, long length)
    {
        StorePath.Check(path);
        int blockBytes = (int)Math.Clamp(length, 1, BlockBytes);
        _writer = StoreCall.Wait(() => store.CreateAsync(path, length));
        CancellationToken abort = _abort.Token;
        _blocks = new BlockPipeline(blockBytes, MostUnderWay, () => MemoryPool<byte>.Shared.Rent(blockBytes),
            (offset, block, count) => _writer.WriteAsync(offset, block[..count], abort).AsTask());
    }

    public void Write(ReadOnlySpan<byte> bytes) => _blocks.Write(bytes);

    public void Sync()
    {
        _blocks.Complete();
        StoreCall.Wait(() => _writer.CompleteAsync(_abort.Token));
    }

    public void Dispose()
    {
        _abort.Cancel();
        try
        {
            _blocks.Dispose();
        }
        finally
        {
            StoreCall.Wait(_writer.DisposeAsync);
            _abort.Dispose();
        }
    }
}
