using Cairn.Stores;

namespace Cairn.S3;

/// <summary>An object that is put in one request when it is complete.</summary>
internal sealed class WholeObjectWriter(S3Bucket bucket, string path, int length) : IStoreWriter
{
    private readonly byte[] _content = GC.AllocateUninitializedArray<byte>(length);
    private int _written;

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        bytes.CopyTo(_content.AsMemory(checked((int)offset)));
        Interlocked.Add(ref _written, bytes.Length);
        return ValueTask.CompletedTask;
    }

    public async ValueTask CompleteAsync(CancellationToken cancellationToken = default)
    {
        if (_written != length)
            throw new InvalidOperationException($"'{path}' has {_written} of {length} bytes.");
        await bucket.PutAsync(path, _content, cancellationToken).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
