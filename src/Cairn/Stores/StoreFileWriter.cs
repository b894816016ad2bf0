using System.Buffers;

namespace Cairn.Stores;

/// <summary>
/// An object of a store that is being written. Complete once synced; disposed before that, the object never was. A few blocks are under way at once, so that the next ones are made while a
/// store far away answers.
/// </summary>
internal sealed class StoreFileWriter : IWritableFile
{
    private const int MostUnderWay = 8;

    private readonly IStoreWriter _writer;
    private readonly Lock _gate = new();
    private readonly List<Task> _underWay = [];

    /// <summary>Begins an object.</summary>
    public StoreFileWriter(IRunStore store, string path, long length)
    {
        StorePath.Check(path);
        _writer = StoreCall.Wait(() => store.CreateAsync(path, length));
    }

    /// <summary>Takes a block, and throws what an earlier one failed with.</summary>
    public void Write(long offset, ReadOnlySpan<byte> block)
    {
        AwaitFewerThan(MostUnderWay);
        IMemoryOwner<byte> copy = MemoryPool<byte>.Shared.Rent(block.Length);
        block.CopyTo(copy.Memory.Span);
        Memory<byte> bytes = copy.Memory[..block.Length];
        // Its digest is another thread's work.
        var sending = Task.Run(async () =>
        {
            using (copy)
                await _writer.WriteAsync(offset, bytes).ConfigureAwait(false);
        });
        lock (_gate)
            _underWay.Add(sending);
    }

    public void Sync()
    {
        AwaitFewerThan(1);
        StoreCall.Wait(() => _writer.CompleteAsync());
    }

    public void Dispose()
    {
        Task[] left;
        lock (_gate)
            left = [.. _underWay];
        // What they failed with was thrown, or the object is given up.
        Task.WhenAll(left).ContinueWith(static _ => { }, TaskScheduler.Default).Wait();
        StoreCall.Wait(_writer.DisposeAsync);
    }

    // A failed one stays in the list: nobody gets past it.
    private void AwaitFewerThan(int most)
    {
        while (true)
        {
            Task oldest;
            lock (_gate)
            {
                if (_underWay.Count < most)
                    return;
                oldest = _underWay[0];
            }
            oldest.GetAwaiter().GetResult();
            lock (_gate)
                _underWay.Remove(oldest);
        }
    }
}
