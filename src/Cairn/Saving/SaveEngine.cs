using System.Diagnostics;
using Cairn.Capture;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.State;
using Cairn.Stores;
using Cairn.Telemetry;

namespace Cairn.Saving;

/// <summary>
/// Carries out saves, one at a time, each on a thread of its own. In the background: training waits for the copy into staging memory and goes on. Otherwise it waits for the
/// thread, but not for a store that hangs. The process is kept alive by <see cref="WaitAtExit"/>, not by the thread. In a job of many ranks each has its engine, and they commit together.
/// </summary>
internal sealed class SaveEngine(IRunHome home, CheckpointOptions options, TimeProvider time, RankGroup ranks, ILease? lease = null) : IDisposable
{
    private static readonly TimeSpan ShortPause = TimeSpan.FromMilliseconds(100);

    /// <summary>Name of the thread that writes in the background.</summary>
    public const string WriterName = "Cairn writer";

    private readonly SignsOfLife _signs = new(home.Files.Root, time);
    private ICopyPublisher? _publisher;
    private JobCommit? _job;
    private readonly ICheckpointLayout _layout = CheckpointLayouts.Of(options.Layout);
    private readonly Retirement? _retirement = Retirement.Of(options);
    private readonly StagingPool _pool = new();
    private StateCapture? _capture;
    private Task<SaveReport>? _inFlight;
    private Task? _warmUp;
    // The save under way was reported as failed: nothing waits for it, and what it still writes is no copy.
    private bool _isGivenUp;

    /// <summary>What the save under way is, until <see cref="Collect"/> gave its report away.</summary>
    public SaveDecision? UnderWay { get; private set; }

    /// <summary>The step of the save under way.</summary>
    public long UnderWayStep { get; private set; }

    /// <summary>Whether a save ended without the word of some rank, so that messages about it may still be on their way.</summary>
    public bool WasDisturbed { get; set; }

    /// <summary>Whether a save is still being written.</summary>
    public bool IsBusy => _inFlight is { IsCompleted: false };

    /// <summary>Makes staging memory ready on another thread, so that the first save stalls no longer than the others.</summary>
    public void WarmUp(IReadOnlyList<RankPart> share)
    {
        if (!options.Asynchronous || !options.Enabled || _warmUp is not null)
            return;
        _capture ??= new StateCapture(_pool);
        long bytes = _capture.RequiredBytes(CopyContent.Trees(share));
        _warmUp = Task.Run(() => _pool.PreTouch(bytes));
    }

    /// <summary>The report of a background save that has ended since the last call; <see langword="null"/> when there is none.</summary>
    public SaveReport? Collect()
    {
        if (_inFlight is not { IsCompleted: true } ended)
            return null;
        (_inFlight, UnderWay) = (null, null);
        SaveReport report = ended.GetAwaiter().GetResult();
        return _isGivenUp && report.Outcome != SaveOutcome.Saved ? null : report;
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

    /// <summary>Whether the save under way has not written a block for this long: its disk or mount hangs.</summary>
    public bool IsSilentFor(TimeSpan silence) => IsBusy && _signs.Silence > silence;

    /// <summary>What to say of a save under way that hangs.</summary>
    public StoreException Hangs() => _signs.Hangs($"the save of step {UnderWayStep}");

    /// <summary>
    /// Saves. In the background the report comes from a later <see cref="Collect"/> and this returns <see langword="null"/>; otherwise the report is returned.
    /// No save may be under way.
    /// </summary>
    /// <param name="share">What this rank saves; read before this returns.</param>
    /// <param name="marker">The marker without its files.</param>
    /// <param name="started">Timestamp from which training has waited.</param>
    /// <param name="background">Whether training may go on while it is written.</param>
    /// <param name="channel">The channel on which the ranks commit; of no account for one rank.</param>
    /// <param name="timeout">Longest wait for another rank.</param>
    /// <param name="silence">Longest time without a sign of life of the store.</param>
    public SaveReport? Save(IReadOnlyList<RankPart> share, Marker marker, long started, bool background, RankGroup channel, TimeSpan timeout, TimeSpan silence)
    {
        marker = marker with { Layout = _layout.Name, World = ranks.World };
        _signs.Begin();
        _isGivenUp = false;
        if (!background)
        {
            CopyContent live = CopyContent.Live(_layout, marker.Step, share, ranks);
            Begin(() => Write(live, marker, started, TimeSpan.Zero, channel, timeout), marker);
            WaitWhileAlive(silence);
            if (!IsBusy)
                return Waited(Collect()!, time.GetElapsedTime(started));
            // It reads the live state, which changes now.
            _signs.GiveUp();
            (_isGivenUp, UnderWay) = (true, null);
            return Waited(Failed(marker, Hangs(), TimeSpan.Zero, started), time.GetElapsedTime(started));
        }
        WaitForWarmUp();
        CopyContent captured = CopyContent.Capture(_capture ??= new StateCapture(_pool), _layout, marker.Step, share, ranks);
        TimeSpan stall = time.GetElapsedTime(started);
        Begin(() => Write(captured, marker, started, stall, channel, timeout), marker);
        return null;
    }

    private void Begin(Func<SaveReport> write, Marker marker)
    {
        UnderWay = new SaveDecision(marker.Kind, marker.Reason);
        UnderWayStep = marker.Step;
        var done = new TaskCompletionSource<SaveReport>(TaskCreationOptions.RunContinuationsAsynchronously);
        Activity? parent = Activity.Current;
        _inFlight = done.Task;
        if (StartThread(WriterName, () =>
        {
            Activity.Current = parent;
            done.SetResult(write());
        }))
        {
            return;
        }
        // The system gives no thread, for want of memory or by a limit of processes: training waits for this save, and the next one tries again.
        SaveReport report = write();
        done.SetResult(report with { Notes = [.. report.Notes, $"No thread could be started for the save of step {marker.Step}: training waited for it. Raise the limit of processes or memory."] });
    }

    /// <summary>Starts a thread of a name, and says whether there was room for one. Tests put another one here.</summary>
    internal Func<string, Action, bool> StartThread { get; set; } = static (name, work) => AsideThread.TryStart(name, work, out _);

    /// <summary>Waits for the save under way while its store gives signs of life.</summary>
    /// <returns>Why the process ends without it; <see langword="null"/> when no save is under way any more.</returns>
    public StoreException? WaitAtExit(TimeSpan silence)
    {
        WaitWhileAlive(silence);
        return IsBusy ? Hangs() : null;
    }

    /// <summary>How long a writer of a job may be silent while it waits for other ranks, which give up a little later than the first.</summary>
    public static TimeSpan LongestSilence(TimeSpan timeout) => timeout * 1.25 + ShortPause * 5;

    public void Dispose()
    {
        // What hangs still reads from the staging memory; it goes with the process.
        if (IsBusy)
            return;
        WaitForWarmUp();
        _pool.Dispose();
    }

    private void WaitForWarmUp()
    {
        try
        {
            _warmUp?.Wait();
        }
        catch (AggregateException)
        {
            // No memory: the capture meets the same limit and reports it with its save.
        }
    }

    private ICopyPublisher Publisher => _publisher ??= home.Publisher(lease, _signs);

    private CommitProtocol.Result Commit(CopyContent content, Marker marker, RankGroup channel, TimeSpan timeout) => ranks.Size == 1
        ? new CommitProtocol(Publisher).Save(marker, content.Plan(), options.RefuseNonFiniteSnapshots)
        : (_job ??= new JobCommit(Publisher, () => _signs.Silence)).Save(channel, marker, content.Plan, options.RefuseNonFiniteSnapshots, timeout, _signs.Progressed);

    // The stages after the capture, on the writer's thread: plan, prepare, write, seal, publish (CommitProtocol, JobCommit), retire.
    private SaveReport Write(CopyContent content, Marker marker, long started, TimeSpan stall, RankGroup channel, TimeSpan timeout)
    {
        using CopyContent held = content;
        using Activity? activity = CairnTelemetry.Activities.StartActivity("cairn.save");
        activity?.SetTag("cairn.step", marker.Step).SetTag("cairn.kind", marker.Kind.ToString());
        try
        {
            CommitProtocol.Result result = Commit(held, marker, channel, timeout);
            WasDisturbed |= result.IsDisturbed;
            TimeSpan duration = time.GetElapsedTime(started);
            var notes = new List<string>(result.Notes);
            (IReadOnlyList<long> retired, Exception? retentionError) = _retirement is not null && ranks.IsFirst ? _retirement.Run(Publisher, marker, notes) : ([], null);
            return new SaveReport
            {
                Step = marker.Step,
                Kind = marker.Kind,
                Reason = marker.Reason,
                Outcome = SaveOutcome.Saved,
                Stall = stall,
                Duration = duration,
                Bytes = result.Bytes,
                Folder = result.Entry.Folder,
                NonFiniteTensor = result.NonFiniteTensor,
                Notes = notes,
                Retired = retired,
                RetentionError = retentionError,
            };
        }
        catch (Exception e)
        {
            WasDisturbed |= e is RankTimeoutException or RankOrderException;
            // Whatever it was: training goes on, and the report says it.
            activity?.SetStatus(ActivityStatusCode.Error, e.Message);
            return Failed(marker, e, stall, started);
        }
    }

    private SaveReport Failed(Marker marker, Exception error, TimeSpan stall, long started) => new()
    {
        Step = marker.Step,
        Kind = marker.Kind,
        Reason = marker.Reason,
        Outcome = error is NonFiniteStateException ? SaveOutcome.Refused : SaveOutcome.Failed,
        Stall = stall,
        Duration = time.GetElapsedTime(started),
        Error = error,
    };

    private static SaveReport Waited(SaveReport report, TimeSpan stall) => report with { Stall = stall };
}
