using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Cairn.Capture;
using Cairn.Layouts;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.State;
using Cairn.Storage;
using Cairn.Telemetry;

namespace Cairn.Commit;

/// <summary>
/// Carries out saves, one at a time. In the background: training waits for the copy into staging memory and goes on; a thread of
/// its own, which keeps the process alive until it is done, writes and commits. In a job of many ranks each has its engine, and they commit together.
/// </summary>
internal sealed class SaveEngine(IFileSystem files, CheckpointOptions options, TimeProvider time, RankGroup ranks, ILease? lease = null) : IDisposable
{
    private static readonly TimeSpan ShortPause = TimeSpan.FromMilliseconds(100);

    /// <summary>Name of the thread that writes in the background.</summary>
    public const string WriterName = "Cairn writer";

    private readonly CommitProtocol _protocol = new(files) { Lease = lease };
    private JobCommit? _job;
    private long _lastProgress;
    private readonly ICheckpointLayout _layout = CheckpointLayouts.Of(options.Layout);
    private readonly IRetentionPolicy? _retention = KeepsAll(options) ? null : options.CreateRetention();
    private readonly StagingPool _pool = new();
    private StateCapture? _capture;
    private Task<SaveReport>? _inFlight;
    private Task? _warmUp;

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
        long bytes = _capture.RequiredBytes(Trees(share));
        _warmUp = Task.Run(() => _pool.PreTouch(bytes));
    }

    /// <summary>The report of a background save that has ended since the last call; <see langword="null"/> when there is none.</summary>
    public SaveReport? Collect()
    {
        if (_inFlight is not { IsCompleted: true } ended)
            return null;
        _inFlight = null;
        UnderWay = null;
        return ended.GetAwaiter().GetResult();
    }

    /// <summary>Waits for the save under way.</summary>
    public void Wait() => _inFlight?.Wait();

    /// <summary>Waits for the save under way, but not longer than this.</summary>
    public void Wait(TimeSpan atMost) => _inFlight?.Wait(atMost);

    /// <summary>Whether the save under way has not written a block for this long: its disk or mount hangs.</summary>
    public bool IsSilentFor(TimeSpan silence) => IsBusy && time.GetElapsedTime(Volatile.Read(ref _lastProgress)) > silence;

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
    public SaveReport? Save(IReadOnlyList<RankPart> share, Marker marker, long started, bool background, RankGroup channel, TimeSpan timeout)
    {
        marker = marker with { Layout = _layout.Name, World = ranks.World };
        Progressed();
        if (!background)
        {
            SaveReport report = Guarded(() => _layout.Plan(marker.Step, share, ranks.World, ranks.Rank), marker, started, TimeSpan.Zero, channel, timeout);
            return Waited(report, time.GetElapsedTime(started));
        }
        WaitForWarmUp();
        _capture ??= new StateCapture(_pool);
        CapturedState? captured = null;
        Func<IReadOnlyList<PlannedFile>> plan;
        try
        {
            CapturedState copy = captured = _capture.Capture(Trees(share));
            plan = () => _layout.Plan(marker.Step, [.. share.Select((part, i) => part with { State = copy.Parts[i].State })], ranks.World, ranks.Rank);
        }
        catch (Exception e) when (ranks.Size > 1)
        {
            // The others wait for this rank's word; its writer gives it.
            var fault = ExceptionDispatchInfo.Capture(e);
            plan = () =>
            {
                fault.Throw();
                return [];
            };
        }
        TimeSpan stall = time.GetElapsedTime(started);
        UnderWay = new SaveDecision(marker.Kind, marker.Reason);
        UnderWayStep = marker.Step;
        var done = new TaskCompletionSource<SaveReport>(TaskCreationOptions.RunContinuationsAsynchronously);
        Activity? parent = Activity.Current;
        var writer = new Thread(() =>
        {
            Activity.Current = parent;
            SaveReport report;
            using (captured)
                report = Guarded(plan, marker, started, stall, channel, timeout);
            done.SetResult(report);
        })
        { Name = WriterName, IsBackground = ranks.Size > 1 };
        _inFlight = done.Task;
        writer.Start();
        return null;
    }

    /// <summary>Waits for the save under way, in a job only while it gets on.</summary>
    public void WaitAtExit()
    {
        if (ranks.Size == 1)
            Wait();
        while (IsBusy && !IsSilentFor(LongestSilence(options.RankTimeout)))
            Wait(ShortPause);
    }

    /// <summary>How long a writer of a job may be silent while it waits for other ranks, which give up a little later than the first.</summary>
    public static TimeSpan LongestSilence(TimeSpan timeout) => timeout * 1.25 + ShortPause * 5;

    public void Dispose()
    {
        WaitAtExit();
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

    private static List<(string Name, StateMap State)> Trees(IReadOnlyList<RankPart> share)
    {
        var trees = new List<(string, StateMap)>(share.Count);
        for (int i = 0; i < share.Count; i++)
            trees.Add((share[i].Name, share[i].State));
        return trees;
    }

    private void Progressed() => Volatile.Write(ref _lastProgress, time.GetTimestamp());

    private CommitProtocol.Result Commit(Func<IReadOnlyList<PlannedFile>> plan, Marker marker, RankGroup channel, TimeSpan timeout) => ranks.Size == 1
        ? _protocol.Save(marker, plan(), options.RefuseNonFiniteSnapshots)
        : (_job ??= new JobCommit(files, _protocol)).Save(channel, marker, plan, options.RefuseNonFiniteSnapshots, timeout, Progressed);

    private SaveReport Guarded(Func<IReadOnlyList<PlannedFile>> plan, Marker marker, long started, TimeSpan stall, RankGroup channel, TimeSpan timeout)
    {
        using Activity? activity = CairnTelemetry.Activities.StartActivity("cairn.save");
        activity?.SetTag("cairn.step", marker.Step).SetTag("cairn.kind", marker.Kind.ToString());
        try
        {
            CommitProtocol.Result result = Commit(plan, marker, channel, timeout);
            WasDisturbed |= result.IsDisturbed;
            TimeSpan duration = time.GetElapsedTime(started);
            var notes = new List<string>(result.Notes);
            (IReadOnlyList<long> retired, Exception? retentionError) = ranks.IsFirst ? Retire(marker) : ([], null);
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
            return new SaveReport
            {
                Step = marker.Step,
                Kind = marker.Kind,
                Reason = marker.Reason,
                Outcome = e is NonFiniteStateException ? SaveOutcome.Refused : SaveOutcome.Failed,
                Stall = stall,
                Duration = time.GetElapsedTime(started),
                Error = e,
            };
        }
    }

    private (IReadOnlyList<long> Retired, Exception? Error) Retire(Marker saved)
    {
        if (_retention is null || saved.Kind != SaveKind.Checkpoint)
            return ([], null);
        var retired = new List<long>();
        try
        {
            List<RetainedCheckpoint> known = [];
            foreach (CatalogEntry entry in Catalog.Read(files).Entries)
            {
                // What another program saved is not ours to remove.
                if (entry is { Kind: SaveKind.Checkpoint, Marker: { IsForeign: false } marker } && saved.Lineage.Contains(marker.Lineage.Current.Id, marker.Step))
                {
                    var metrics = TrainState.FromState(marker.Train).Metrics;
                    known.Add(new RetainedCheckpoint(entry.Step, marker.Files.Sum(file => file.Length), new Dictionary<string, double>(metrics, StringComparer.Ordinal), true, marker.Time));
                }
            }
            foreach (long step in RetentionPlan.Decide(_retention, known, new HashSet<long> { saved.Step }))
            {
                _protocol.Retire(step);
                retired.Add(step);
            }
            return (retired, null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CheckpointException)
        {
            return (retired, e);
        }
    }

    private static SaveReport Waited(SaveReport report, TimeSpan stall) => report with { Stall = stall };

    private static bool KeepsAll(CheckpointOptions options) =>
        options is { KeepLast: null, KeepEvery: null, KeepBest: null, KeepWithinBytes: null };
}
