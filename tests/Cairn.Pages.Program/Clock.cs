namespace Cairn.Pages.Program;

/// <summary>A clock that goes on by itself and is put forward for each batch, so that a run of days is made in seconds.</summary>
internal sealed class Clock(DateTimeOffset start) : TimeProvider
{
    private readonly long _began = System.GetTimestamp();
    private long _forward;

    public void Forward(TimeSpan by) => Interlocked.Add(ref _forward, (long)(by.TotalSeconds * TimestampFrequency));

    public override long GetTimestamp() => System.GetTimestamp() + Interlocked.Read(ref _forward);

    public override DateTimeOffset GetUtcNow() => start + GetElapsedTime(_began, GetTimestamp());
}
