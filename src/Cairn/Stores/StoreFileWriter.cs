using System.Buffers;

namespace Cairn.Stores;

/// <summary>An object of a store that is being written. Complete once synced; disposed before that, the object never was.</summary>
internal sealed class StoreFileWriter : IWritableFile
{
    private readonly IStoreWriter _writer;

    /// <summary>Begins an object.</summary>
    public StoreFileWriter(IRunStore store, string path, long length)
    {
        StorePath.Check(path);
        _writer = StoreCall.Wait(() => store.CreateAsync(path, length));
    }

    public void Write(long offset, ReadOnlySpan<byte> block)
    {
        using IMemoryOwner<byte> copy = MemoryPool<byte>.Shared.Rent(block.Length);
        block.CopyTo(copy.Memory.Span);
        Memory<byte> bytes = copy.Memory[..block.Length];
        StoreCall.Wait(() => _writer.WriteAsync(offset, bytes));
    }

    public void Sync() => StoreCall.Wait(() => _writer.CompleteAsync());

    public void Dispose() => StoreCall.Wait(_writer.DisposeAsync);
}
