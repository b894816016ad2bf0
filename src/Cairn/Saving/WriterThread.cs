using System.Diagnostics;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>
/// The thread on which one save at a time is written, and how the training thread waits for it: never longer than its store gives signs of life. The process is kept alive by
/// <see cref="WaitAtExit"/>, not by the thread.
/// </summary>
internal sealed class WriterThread(SignsOfLife signs, TimeProvider time)
{
    private static readonly TimeSpan ShortPause = TimeSpan.FromMilliseconds(100);

    /// <summary>The thread's name.</summary>
    public const string Name = "Cairn writer";

    private Task<SaveReport>? _inFlight;
    // The save under way was reported as failed: nothing waits for it, and what it still writes is no copy.
    private bool _isGivenUp;

    /// <summary>What the save under way is, until <see cref="Collect"/> gave its report away.</summary>
    public SaveDecision? UnderWay { get; private set; }

    /// <summary>The step of the save under way.</summary>
    public long UnderWayStep { get; private set; }

    /// <summary>Whether a save is still being written.</summary>
    public bool IsBusy => _inFlight is { IsCompleted: false };

    /// <summary>Starts a thread of a name, and says whether there was room for one. Tests put another one here.</summary>
    internal Func<string, Action, bool> StartThread { get; set; } = static (name, work) => AsideThread.TryStart(name, work, out _);

    /// <summary>Begins to write. No save may be under way.</summary>
    /// <param name="save">What is saved.</param>
    /// <param name="step">Its step.</param>
    /// <param name="write">Writes it; never throws.</param>
    public void Begin(SaveDecision save, long step, Func<SaveReport> write)
    {
        _isGivenUp = false;
        UnderWay = save;
        UnderWayStep = step;
        var done = new TaskCompletionSource<SaveReport>(TaskCreationOptions.RunContinuationsAsynchronously);
        Activity? parent = Activity.Current;
        _inFlight = done.Task;
        if (StartThread(Name, () =>
        {
            Activity.Current = parent;
            done.SetResult(write());
        }))
        {
            return;
        }
        // The system gives no thread, for want of memory or by a limit of processes: training waits for this save, and the next one tries again.
        SaveReport report = write();
        done.SetResult(report with { Notes = [.. report.Notes, $"No thread could be started for the save of step {step}: training waited for it. Raise the limit of processes or memory."] });
    }

    /// <summary>The report of a save that has ended since the last call; <see langword="null"/> when there is none.</summary>
    public SaveReport? Collect()
    {
        if (_inFlight is not { IsCompleted: true } ended)
            return null;
        (_inFlight, UnderWay) = (null, null);
        SaveReport report = ended.GetAwaiter().GetResult();
        return _isGivenUp && !report.IsComplete ? null : report;
    }

    /// <summary>Waits for the save under way for as long as its store gives signs of life.</summary>
    /// <param name="silence">Longest time without one.</param>
    public void WaitWhileAlive(TimeSpan silence)
    {
        while (IsBusy && !IsSilentFor(silence))
            _inFlight!.Wait(ShortPause);
    }

    /// <summary>Waits for the save under way, but not longer than this.</summary>
    public void Wait(TimeSpan atMost)
    {
        try
        {
            _inFlight?.WaitAsync(atMost, time).GetAwaiter().GetResult();
        }
        catch (TimeoutException)
        {
            // It is still under way.
        }
    }

    /// <summary>Reports a save that hangs as failed: nothing waits for it any more, and what it still writes becomes no copy.</summary>
    public void GiveUp()
    {
        signs.GiveUp();
        (_isGivenUp, UnderWay) = (true, null);
    }

    /// <summary>Whether the save under way has not written a block for this long: its disk or mount hangs.</summary>
    public bool IsSilentFor(TimeSpan silence) => IsBusy && signs.Silence > silence;

    /// <summary>What to say of a save under way that hangs.</summary>
    public StoreException Hangs() => signs.Hangs($"the save of step {UnderWayStep}");

    /// <summary>Waits for the save under way while its store gives signs of life.</summary>
    /// <returns>Why the process ends without it; <see langword="null"/> when no save is under way any more.</returns>
    public StoreException? WaitAtExit(TimeSpan silence)
    {
        WaitWhileAlive(silence);
        return IsBusy ? Hangs() : null;
    }

    /// <summary>How long a writer of a job may be silent while it waits for other ranks, which give up a little later than the first.</summary>
    public static TimeSpan LongestSilence(TimeSpan timeout) => timeout * 1.25 + ShortPause * 5;
}
