using System.Diagnostics;
using Cairn.Capture;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Saving.Stages;
using Cairn.State;
using Cairn.Stores;
using Cairn.Telemetry;

namespace Cairn.Saving;

/// <summary>
/// Carries out saves, one at a time: captures, runs the stages (<see cref="CommitProtocol"/>) on a thread of their own, retires, reports. In the background, training waits for the
/// copy into staging memory and goes on. Otherwise it waits for the thread, but not for a store that hangs. In a job of many ranks each has its engine, and they commit together.
/// </summary>
internal sealed class SaveEngine : IDisposable
{
    private readonly IRunHome _home;
    private readonly CheckpointOptions _options;
    private readonly TimeProvider _time;
    private readonly RankGroup _ranks;
    private readonly ILease? _lease;
    private readonly IFirstTier? _first;
    private readonly SignsOfLife _signs;
    private readonly ICheckpointLayout _layout;
    private readonly Retirement? _retirement;
    private readonly StagingPool _pool = new();
    private readonly PlanMemory _plans;
    private readonly FormerFiles? _former;
    private ICopyPublisher? _publisher;
    private CommitProtocol? _protocol;
    private StateCapture? _capture;
    private Task? _warmUp;
    private OverlappedCopy? _overlapped;

    public SaveEngine(IRunHome home, CheckpointOptions options, TimeProvider time, RankGroup ranks, ILease? lease = null, IFirstTier? first = null)
    {
        (_home, _options, _time, _ranks, _lease, _first) = (home, options, time, ranks, lease, first);
        _signs = new SignsOfLife(first?.Root ?? home.Files.Root, time);
        first?.Watch(_signs);
        Writer = new WriterThread(_signs, time);
        _layout = CheckpointLayouts.Of(options.Layout);
        _plans = new PlanMemory(options.ShareUnchanged);
        _former = options.ShareUnchanged ? new FormerFiles() : null;
        _retirement = Retirement.Of(options, home.Files, time);
    }

    /// <summary>The save under way.</summary>
    public WriterThread Writer { get; }

    /// <summary>Whether a save is under way or its report was not taken yet, or the memory for the first one is still being made ready.</summary>
    public bool IsOccupied => Writer.IsBusy || Writer.UnderWay is not null || _warmUp is { IsCompleted: false };

    /// <summary>Whether a save ended without the word of some rank, so that messages about it may still be on their way.</summary>
    public bool WasDisturbed { get; set; }

    // Made by the first save: a run that saves nothing needs none.
    private ICopyPublisher Publisher => _publisher ??= _home.Publisher(_lease, _signs);

    private CommitProtocol Protocol => _protocol ??= new CommitProtocol(Publisher, () => _signs.Silence, _former);

    /// <summary>A copy of the run's home was read to its end and found good: what has not changed since is not written again.</summary>
    /// <param name="copy">The copy.</param>
    /// <param name="identities">Its files, as they were before they were read, by name.</param>
    public void StartFrom(CatalogEntry copy, IReadOnlyDictionary<string, FileIdentity> identities)
    {
        Marker marker = copy.Marker!;
        IReadOnlyDictionary<string, int>? writers = _ranks.Size == 1 ? null : CairnLayout.Writers(marker.Files.Select(file => file.Name), _ranks.World);
        _former?.Remember(marker.FilesFolder(copy.Folder), marker.Files.Where(file => writers is null || writers.GetValueOrDefault(file.Name, -1) == _ranks.Rank)
            .Select(file => new FormerFile(file, identities.TryGetValue(file.Name, out FileIdentity identity) ? identity : null, IsDurable: false)));
    }

    /// <summary>Makes staging memory ready on another thread, so that the first save stalls no longer than the others.</summary>
    public void WarmUp(IReadOnlyList<RankPart> share)
    {
        if (!_options.Asynchronous || !_options.Enabled || _warmUp is not null)
            return;
        _capture ??= new StateCapture(_pool);
        long bytes = _capture.RequiredBytes(CopyContent.Trees(share));
        _warmUp = Task.Run(() => _pool.PreTouch(bytes));
    }

    /// <summary>
    /// Saves. In the background the report comes from a later <see cref="WriterThread.Collect"/> and this returns <see langword="null"/>; otherwise the report is returned.
    /// No save may be under way.
    /// </summary>
    /// <param name="share">What this rank saves; read before this returns.</param>
    /// <param name="marker">The marker without its files.</param>
    /// <param name="started">Timestamp from which training has waited.</param>
    /// <param name="background">Whether training may go on while it is written.</param>
    /// <param name="channel">The channel on which the ranks commit; of no account for one rank.</param>
    /// <param name="timeout">Longest wait for another rank.</param>
    /// <param name="silence">Longest time without a sign of life of the store.</param>
    /// <param name="trace">The activity in which the first rank decided to save.</param>
    public SaveReport? Save(IReadOnlyList<RankPart> share, Marker marker, long started, bool background, RankGroup channel, TimeSpan timeout, TimeSpan silence, string? trace = null)
    {
        Activity? outer = Activity.Current, activity = SaveActivity.Begin("cairn.save", marker.Step, marker.Kind, _ranks.Rank, trace);
        activity?.SetTag("cairn.reason", marker.Reason.ToString().ToLowerInvariant());
        try
        {
            return Save(share, marker, started, background, channel, timeout, silence, activity);
        }
        catch (Exception e)
        {
            activity.Failed(e);
            activity?.Dispose();
            throw;
        }
        finally
        {
            // It goes on with the writer.
            Activity.Current = outer;
        }
    }

    private SaveReport? Save(IReadOnlyList<RankPart> share, Marker marker, long started, bool background, RankGroup channel, TimeSpan timeout, TimeSpan silence, Activity? activity)
    {
        marker = marker with { Layout = _layout.Name, World = _ranks.World };
        _signs.Begin();
        if (background)
        {
            WaitForWarmUp();
            CopyContent captured = SaveActivity.Within("cairn.save.capture",
                () => CopyContent.Capture(_capture ??= new StateCapture(_pool), _layout, _plans, marker.Step, share, _ranks, _options.OverlapCapture));
            _overlapped = captured.Overlapped;
            TimeSpan stall = _time.GetElapsedTime(started);
            int caller = Environment.CurrentManagedThreadId;
            Writer.Begin(new SaveDecision(marker.Kind, marker.Reason), marker.Step, () =>
            {
                // Where the system gives no thread: nobody else would finish it.
                if (Environment.CurrentManagedThreadId == caller)
                    FinishCapture();
                return Write(captured, marker, started, stall, channel, timeout, activity);
            });
            return null;
        }
        CopyContent live = CopyContent.Live(_layout, _plans, marker.Step, share, _ranks);
        Writer.Begin(new SaveDecision(marker.Kind, marker.Reason), marker.Step, () => Write(live, marker, started, TimeSpan.Zero, channel, timeout, activity));
        Writer.WaitWhileAlive(silence);
        if (!Writer.IsBusy)
            return Writer.Collect()! with { Stall = _time.GetElapsedTime(started) };
        // It reads the live state, which changes now.
        StoreException hangs = Writer.Hangs();
        Writer.GiveUp();
        return Failed(marker, hangs, TimeSpan.Zero, started) with { Stall = _time.GetElapsedTime(started) };
    }

    /// <summary>Whether state is still being copied that must not change meanwhile.</summary>
    public bool IsCapturing => _overlapped is not null;

    /// <summary>Copies what is left of the state. On the training thread, before the state changes.</summary>
    public void FinishCapture()
    {
        if (Volatile.Read(ref _overlapped) is not { } copy)
            return;
        // That the writer had to wait is no silence of its store.
        _signs.Progressed();
        copy.Finish(_time);
        // Not before: who else asks has to wait as well.
        Interlocked.CompareExchange(ref _overlapped, null, copy);
    }

    /// <summary>Gives up a copy of state that may have changed: its save fails.</summary>
    public void AbandonCapture(Exception why)
    {
        if (Volatile.Read(ref _overlapped) is not { } copy)
            return;
        _signs.Progressed();
        copy.Abandon(why);
        Interlocked.CompareExchange(ref _overlapped, null, copy);
    }

    public void Dispose()
    {
        // What hangs still reads from the staging memory; it goes with the process.
        if (Writer.IsBusy)
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

    // On the writer's thread.
    private SaveReport Write(CopyContent content, Marker marker, long started, TimeSpan stall, RankGroup channel, TimeSpan timeout, Activity? activity)
    {
        using Activity? ends = activity;
        SaveReport report = Write(content, marker, started, stall, channel, timeout);
        activity.Ended(report);
        return report;
    }

    private SaveReport Write(CopyContent content, Marker marker, long started, TimeSpan stall, RankGroup channel, TimeSpan timeout)
    {
        using CopyContent held = content;
        try
        {
            SaveInProgress Anew() => new(channel, marker, held.Plan, _options.RefuseNonFiniteSnapshots, timeout) { Confirm = held.Confirm, Progressed = _signs.Progressed };
            var notes = new List<string>();
            SavedCopy? first = SaveFirst(Anew, notes);
            SavedCopy copy = first ?? SaveAtHome(Anew(), channel, timeout);
            WasDisturbed |= copy.IsDisturbed;
            stall += held.Overlapped?.Waited ?? TimeSpan.Zero;
            TimeSpan duration = _time.GetElapsedTime(started);
            notes.AddRange(copy.Notes);
            RetirementResult retirement = first is null && _retirement is not null && _ranks.IsFirst ? _retirement.Run(Publisher, marker, notes) : RetirementResult.Nothing;
            return retirement.In(new SaveReport
            {
                Step = marker.Step,
                Kind = marker.Kind,
                Reason = marker.Reason,
                Outcome = first is null ? SaveOutcome.Saved : SaveOutcome.Recoverable,
                Stall = stall,
                Duration = duration,
                Bytes = copy.Bytes,
                SharedBytes = copy.SharedBytes,
                Folder = first is null ? copy.Entry.Folder : $"{copy.Entry.Files.Root}/{copy.Entry.Folder}",
                NonFiniteTensor = copy.NonFiniteTensor,
                Notes = notes,
            });
        }
        catch (Exception e)
        {
            WasDisturbed |= e is RankTimeoutException or RankOrderException;
            // Whatever it was: training goes on, and the report says it.
            return Failed(marker, e, stall, started);
        }
    }

    // Null when it did not take the copy: on all ranks alike, for an error of one is thrown on all.
    private SavedCopy? SaveFirst(Func<SaveInProgress> anew, List<string> notes)
    {
        if (_first is null)
            return null;
        try
        {
            return _first.Save(anew());
        }
        catch (Exception e) when (e is not (NonFiniteStateException or NoSlotException or RankTimeoutException or RankOrderException))
        {
            notes.Add($"{_first.Root} did not take it ({e.Message.TrimEnd('.')}), so it was written to the run at once");
            return null;
        }
    }

    private SavedCopy SaveAtHome(SaveInProgress save, RankGroup channel, TimeSpan timeout)
    {
        using IDisposable? held = _first?.HoldHome(channel, timeout, _signs.Progressed);
        return Protocol.Save(save);
    }

    private SaveReport Failed(Marker marker, Exception error, TimeSpan stall, long started) => new()
    {
        Step = marker.Step,
        Kind = marker.Kind,
        Reason = marker.Reason,
        Outcome = error switch { NonFiniteStateException => SaveOutcome.Refused, NoSlotException => SaveOutcome.Dropped, _ => SaveOutcome.Failed },
        Stall = stall,
        Duration = _time.GetElapsedTime(started),
        Error = error,
    };
}
