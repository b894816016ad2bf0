using System.Diagnostics;
using Cairn.Capture;
using Cairn.Layouts;
using Cairn.Policies;
using Cairn.State;
using Cairn.Storage;
using Cairn.Telemetry;

namespace Cairn.Commit;

/// <summary>
/// Carries out saves, one at a time. In the background: training waits for the copy into staging memory and goes on; a thread of
/// its own, which keeps the process alive until it is done, writes and commits.
/// </summary>
internal sealed class SaveEngine(IFileSystem files, CheckpointOptions options, TimeProvider time) : IDisposable
{
    /// <summary>Name of the thread that writes in the background.</summary>
    public const string WriterName = "Cairn writer";

    private readonly CommitProtocol _protocol = new(files);
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

    /// <summary>Whether a save is still being written.</summary>
    public bool IsBusy => _inFlight is { IsCompleted: false };

    /// <summary>Makes staging memory ready on another thread, so that the first save stalls no longer than the others.</summary>
    public void WarmUp(IReadOnlyList<(string, StateMap)> live)
    {
        if (!options.Asynchronous || !options.Enabled || _warmUp is not null)
            return;
        _capture ??= new StateCapture(_pool);
        long bytes = _capture.RequiredBytes(live);
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

    /// <summary>
    /// Saves. In the background the report comes from a later <see cref="Collect"/> and this returns <see langword="null"/>; otherwise the report is returned.
    /// No save may be under way.
    /// </summary>
    /// <param name="live">The state; read before this returns.</param>
    /// <param name="marker">The marker without its files.</param>
    /// <param name="started">Timestamp from which training has waited.</param>
    /// <param name="background">Whether training may go on while it is written.</param>
    public SaveReport? Save(IReadOnlyList<(string Name, StateMap State)> live, Marker marker, long started, bool background)
    {
        marker = marker with { Layout = _layout.Name };
        if (!background)
        {
            SaveReport report = Run(_layout.Plan(marker.Step, live), marker, started, default);
            return Waited(report, time.GetElapsedTime(started));
        }
        WaitForWarmUp();
        _capture ??= new StateCapture(_pool);
        CapturedState captured = _capture.Capture(live);
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
                report = Guarded(() => _layout.Plan(marker.Step, captured.Parts), marker, started, stall);
            done.SetResult(report);
        })
        { Name = WriterName, IsBackground = false };
        _inFlight = done.Task;
        writer.Start();
        return null;
    }

    public void Dispose()
    {
        Wait();
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

    private SaveReport Run(IReadOnlyList<PlannedFile> plan, Marker marker, long started, TimeSpan stall) => Guarded(() => plan, marker, started, stall);

    private SaveReport Guarded(Func<IReadOnlyList<PlannedFile>> plan, Marker marker, long started, TimeSpan stall)
    {
        using Activity? activity = CairnTelemetry.Activities.StartActivity("cairn.save");
        activity?.SetTag("cairn.step", marker.Step).SetTag("cairn.kind", marker.Kind.ToString());
        try
        {
            CommitProtocol.Result result = _protocol.Save(marker, plan(), options.RefuseNonFiniteSnapshots);
            TimeSpan duration = time.GetElapsedTime(started);
            var notes = new List<string>(result.Notes);
            (IReadOnlyList<long> retired, Exception? retentionError) = Retire(marker);
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
