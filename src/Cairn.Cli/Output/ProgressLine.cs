using System.Diagnostics;

namespace Cairn.Cli.Output;

/// <summary>One line on standard error, when that is a terminal, that says how far, how fast and how long still; nothing in the first second.</summary>
internal sealed class ProgressLine(Screen screen, string what, long totalBytes) : IDisposable
{
    private static readonly TimeSpan BeforeFirst = TimeSpan.FromSeconds(1), Between = TimeSpan.FromSeconds(0.2);

    private readonly Lock _writing = new();
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _last, _done;
    private bool _shown;

    /// <summary>Counts bytes that were done, from any thread.</summary>
    public void Add(long bytes)
    {
        lock (_writing)
            Show(bytes);
    }

    private void Show(long bytes)
    {
        _done += bytes;
        TimeSpan elapsed = Stopwatch.GetElapsedTime(_start);
        if (!screen.ErrorIsTerminal || elapsed < BeforeFirst || (_last != 0 && Stopwatch.GetElapsedTime(_last) < Between))
            return;
        _last = Stopwatch.GetTimestamp();
        _shown = true;
        double rate = _done / elapsed.TotalSeconds;
        TimeSpan left = TimeSpan.FromSeconds((totalBytes - _done) / Math.Max(rate, 1));
        Console.Error.Write($"\r\e[K{Words.Printable(what).Replace('\n', ' ')} {100.0 * _done / Math.Max(totalBytes, 1):0}%  {Units.Bytes(_done)} of {Units.Bytes(totalBytes)}  {Units.Bytes(rate)}/s  {Units.Time(left)} left");
    }

    public void Clear()
    {
        if (_shown)
            Console.Error.Write("\r\e[K");
        _shown = false;
    }

    public void Dispose() => Clear();
}
