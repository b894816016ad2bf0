using Cairn.Stores;

namespace Cairn.S3;

/// <summary>One version of an object. Long reads come in several ranges at once.</summary>
internal sealed class S3Reader(S3Bucket bucket, string path, ObjectHead head, int rangeBytes) : IStoreReader
{
    public long Length => head.Length;

    public async ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        int count = (int)Math.Clamp(head.Length - offset, 0, destination.Length);
        if (count == 0)
            return 0;
        if (count <= rangeBytes)
        {
            await bucket.ReadAsync(path, head, offset, destination[..count], cancellationToken).ConfigureAwait(false);
            return count;
        }
        var ranges = new List<Task>();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        for (int at = 0; at < count; at += rangeBytes)
            ranges.Add(ReadRangeAsync(offset + at, destination.Slice(at, Math.Min(rangeBytes, count - at)), end));
        await Task.WhenAll(ranges).ConfigureAwait(false);
        return count;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    // Nothing is written to the destination any more once the caller has its error: what fails ends the others, which are waited for.
    private async Task ReadRangeAsync(long offset, Memory<byte> destination, CancellationTokenSource end)
    {
        try
        {
            await bucket.ReadAsync(path, head, offset, destination, end.Token).ConfigureAwait(false);
        }
        catch
        {
            await end.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }
}
