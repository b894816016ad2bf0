namespace Cairn.S3;

/// <summary>Spreads uploads over time, so that they take no more than a given part of the network.</summary>
/// <param name="bytesPerSecond">The limit.</param>
/// <param name="time">The clock.</param>
internal sealed class UploadPace(long bytesPerSecond, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly long _start = time.GetTimestamp();
    // When all that was let through so far has had its time.
    private TimeSpan _free;

    /// <summary>Waits until this many bytes may be sent.</summary>
    public Task WaitAsync(int bytes, CancellationToken cancellationToken)
    {
        TimeSpan wait;
        lock (_gate)
        {
            TimeSpan now = time.GetElapsedTime(_start), begin = _free > now ? _free : now;
            _free = begin + TimeSpan.FromSeconds((double)bytes / bytesPerSecond);
            wait = begin - now;
        }
        return wait > TimeSpan.Zero ? Task.Delay(wait, time, cancellationToken) : Task.CompletedTask;
    }
}
