namespace Cairn;

/// <summary>
/// The time of the start plus the time that has gone by since, which no change of the system's clock moves: what is decided by time goes by this one. What is written
/// for people goes by the system's.
/// </summary>
internal sealed class SteadyClock(TimeProvider time)
{
    private readonly DateTimeOffset _start = time.GetUtcNow();
    private readonly long _timestamp = time.GetTimestamp();

    /// <summary>The time now.</summary>
    public DateTimeOffset Now => _start + time.GetElapsedTime(_timestamp);
}
