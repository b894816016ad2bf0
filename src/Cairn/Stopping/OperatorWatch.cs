using System.Collections.Concurrent;
using Cairn.Stores;

namespace Cairn.Stopping;

/// <summary>
/// Looks at the operator's files, the run's <c>command</c> and the stop file, about ten times a second and on another thread: a mount that hangs keeps
/// it waiting and not training, which reads what was seen last. Only a command that is there to be taken is waited for, and that not for long.
/// </summary>
internal sealed class OperatorWatch : IDisposable
{
    // On a slow store looking costs more than on a disk: whatever it costs, it is at most this share of the time.
    private const int TimesLooking = 50;
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(100), LongestWait = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly CommandFile _commands;
    private readonly Func<StopCommand>? _stopFile;
    private readonly TimeProvider _time;
    private readonly Action<string> _problem;
    private readonly ConcurrentQueue<string> _taken = [];
    private readonly ITimer _timer;
    private Task _asked = Task.CompletedTask;
    private volatile bool _hasCommand, _disposed;
    private volatile Seen? _seen;
    private string? _reported;

    /// <param name="commands">The run's commands.</param>
    /// <param name="stopFile">Reads the stop file; <see langword="null"/> when there is none.</param>
    /// <param name="time">The clock.</param>
    /// <param name="problem">Hears once of each thing that keeps the files from being read, from any thread.</param>
    public OperatorWatch(CommandFile commands, Func<StopCommand>? stopFile, TimeProvider time, Action<string> problem)
    {
        (_commands, _stopFile, _time, _problem) = (commands, stopFile, time, problem);
        _timer = time.CreateTimer(static self => ((OperatorWatch)self!).LookAndGoOn(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>What the stop file said when it was looked at last; <see langword="null"/> when it was not looked at yet.</summary>
    public StopCommand? StopFile => _seen?.Stop;

    /// <summary>Looks for the first time, and then again and again.</summary>
    public void Start()
    {
        if (_stopFile is not null)
            Ask(Look);
        Rest(TimeSpan.Zero);
    }

    /// <summary>The next command; <see langword="null"/> when there is none.</summary>
    /// <param name="asItIs">Whether to look for one now, and to take it even when it is not written to its end: at the start and the end of a run.</param>
    public string? Next(bool asItIs = false)
    {
        if (asItIs || _hasCommand)
        {
            Ask(() =>
            {
                _hasCommand = false;
                if (_commands.Take(asItIs) is { } text)
                    _taken.Enqueue(text);
            });
        }
        return _taken.TryDequeue(out string? next) ? next : null;
    }

    public void Dispose()
    {
        _disposed = true;
        _timer.Dispose();
    }

    // What was asked before and still hangs is not waited for a second time; what it brings is found later.
    private void Ask(Action work)
    {
        if (!_asked.IsCompleted)
            return;
        bool isAsked = AsideThread.TryStart("Cairn operator watch", () =>
        {
            lock (_gate)
                Guarded(work);
        }, out Task asked);
        // Without room for a thread it is asked again at the next batch.
        if (!isAsked)
            return;
        _asked = asked;
        _asked.Wait(LongestWait);
    }

    private void LookAndGoOn()
    {
        long start = _time.GetTimestamp();
        if (_gate.TryEnter())
        {
            try
            {
                Guarded(Look);
            }
            finally
            {
                _gate.Exit();
            }
        }
        Rest(_time.GetElapsedTime(start));
    }

    private void Look()
    {
        if (_stopFile is not null)
            _seen = new Seen(_stopFile());
        _hasCommand = _commands.IsWhole();
    }

    private void Rest(TimeSpan looked)
    {
        TimeSpan pause = looked * TimesLooking;
        if (!_disposed)
            _timer.Change(pause < ShortestPause ? ShortestPause : pause, Timeout.InfiniteTimeSpan);
    }

    private void Guarded(Action work)
    {
        try
        {
            work();
            _reported = null;
        }
        // Whatever it is: nobody stands above this thread, and training can do without the files.
        catch (Exception e)
        {
            if (e.Message == _reported)
                return;
            _reported = e.Message;
            _problem(e.Message);
        }
    }

    private sealed record Seen(StopCommand Stop);
}
