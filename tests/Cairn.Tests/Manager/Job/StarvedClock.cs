namespace Cairn.Tests.Manager.Job;

/// <summary>
/// Time as the ranks of a job of threads live it: it stands still while the machine gives their process no turn. A token goes round as many threads as a job has
/// ranks; each round moves the clock by the time that it took, but never by much. So a time-out of a second means that a rank did not answer, not that the
/// machine was busy with something else.
/// </summary>
internal sealed class StarvedClock : TimeProvider
{
    private const int Turns = 4;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(4), LongestStep = TimeSpan.FromMilliseconds(8);

    private readonly SemaphoreSlim[] _turns = [.. Enumerable.Range(0, Turns).Select(_ => new SemaphoreSlim(0))];
    private readonly ManualResetEventSlim _never = new();
    private long _now = 1;

    private StarvedClock()
    {
        for (int i = 0; i < Turns; i++)
        {
            int turn = i;
            new Thread(() => Pass(turn)) { IsBackground = true, Name = "clock" }.Start();
        }
        _turns[0].Release();
    }

    public static StarvedClock Instance { get; } = new();

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;
    public override long GetTimestamp() => Volatile.Read(ref _now);

    private void Pass(int turn)
    {
        long round = System.GetTimestamp();
        while (true)
        {
            _turns[turn].Wait();
            if (turn == 0)
            {
                _never.Wait(Pause);
                TimeSpan took = System.GetElapsedTime(round);
                round = System.GetTimestamp();
                Volatile.Write(ref _now, _now + Math.Min(took.Ticks, LongestStep.Ticks));
            }
            _turns[(turn + 1) % Turns].Release();
        }
    }
}
