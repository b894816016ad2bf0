using Cairn.Checkpoints;
using Cairn.Journal;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Starting;
using Cairn.State;
using Cairn.Stores;
using Cairn.Telemetry;

namespace Cairn.Running;

/// <summary>
/// Says early that the planned saves will not fit: at the start, as far as the size of a copy is known then, and again as saves come. On the first rank, where the store knows its free space and the run its last step.
/// It looks on a thread of the pool; training and saves never wait for it.
/// </summary>
internal sealed class SpaceWatch : IDisposable
{
    // The forecast of a long run costs something, and what it says changes slowly.
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMinutes(10);
    // A look that a save came into is taken again after this, then after twice as long, and so on; the last counts as it is.
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private const int MostTries = 10;

    private readonly StartedRun _run;
    private readonly RunJournal _journal;
    private readonly Action<string> _alert;
    private readonly IFileSystem _disk;
    private readonly long _total, _firstStep, _started;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _ended = new();
    private Task _look = Task.CompletedTask;
    private long? _looked;
    private bool _isMeasured, _hasLookedMeasured;
    private readonly long _weightsBytes = long.MaxValue;
    private long _copyBytes, _sharedBytes, _told = long.MaxValue;

    private SpaceWatch(StartedRun run, RunJournal journal, IFileSystem disk, long total, Action<string> alert)
    {
        (_run, _journal, _disk, _total, _alert) = (run, journal, disk, total, alert);
        (_firstStep, _started) = (run.Train.Step, run.Time.GetTimestamp());
        // Of many ranks, this one knows only its own part; a copy tells the whole.
        if (run.Ranks.Size > 1)
            return;
        (string Name, long Bytes)[] parts = [.. run.Parts.Select(part => (part.Name, BytesOf(part.Capture(), static _ => true)))];
        _copyBytes = parts.Sum(part => part.Bytes);
        _weightsBytes = parts.Where(part => !WeightsOnly.IsForRestarts(part.Name)).Sum(part => part.Bytes);
        if (run.Options.ShareUnchanged)
            _sharedBytes = run.Parts.Select(part => BytesOf(part.Capture(), static tensor => tensor.IsFrozen)).Where(bytes => bytes >= FrozenSplit.LeastBytes).Sum();
    }

    /// <summary>The watch of a run, which looks at once; <see langword="null"/> where nothing can be forecast.</summary>
    /// <param name="run">The run.</param>
    /// <param name="journal">Takes what is found.</param>
    /// <param name="alert">Tells people.</param>
    public static SpaceWatch? Of(StartedRun run, RunJournal journal, Action<string> alert)
    {
        if (!run.Ranks.IsFirst || !run.Options.Enabled || run.Train.IsComplete || run.Home.Files is not IFileSystem disk || (run.Train.TotalSteps ?? run.Options.TotalSteps) is not { } total)
            return null;
        var watch = new SpaceWatch(run, journal, disk, total, alert);
        watch.Begin(watch._firstStep, seconds: null);
        return watch;
    }

    /// <summary>A copy is durable.</summary>
    public void Saved(SaveReport report)
    {
        // The first has no copy before it.
        if (_isMeasured)
            _sharedBytes = report.SharedBytes;
        if (report.Reason == SaveReason.Final || (_hasLookedMeasured && _looked is { } looked && _run.Time.GetElapsedTime(looked) < BetweenLooks))
            return;
        (_copyBytes, _isMeasured) = (report.Bytes, true);
        _hasLookedMeasured |= Begin(report.Step, report.Step > _firstStep ? _run.Time.GetElapsedTime(_started).TotalSeconds / (report.Step - _firstStep) : null);
    }

    /// <summary>The run has ended: no look is taken again.</summary>
    public void Dispose() => _ended.Cancel();

    // One look at a time.
    private bool Begin(long step, double? seconds)
    {
        lock (_gate)
        {
            // How long a step takes is not known yet, and what is saved by time depends on it.
            if (!_look.IsCompleted || (seconds is null && _run.Options.SavesByTime))
                return false;
            _looked = _run.Time.GetTimestamp();
            _look = Task.Run(() => LookAsync(step, seconds));
            return true;
        }
    }

    private async Task LookAsync(long step, double? seconds)
    {
        try
        {
            for (int tries = 1; !Look(step, seconds, isLast: tries == MostTries); tries++)
                await Task.Delay(FirstPause * Math.Pow(2, tries - 1), _ended.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
        }
        // A rule of the user's own may throw anything, and a run that does not train yet may be removed.
        catch (Exception e)
        {
            _run.Logger.NoForecast(e.Message);
        }
    }

    // False when a save came between what was read of the copies and what was read of the room for them.
    private bool Look(long step, double? seconds, bool isLast)
    {
        if (Room() is not { } before || FitsAnyway(step, before))
            return true;
        Catalog catalog = Catalog.Read(_disk);
        if (Room() is not { } after)
            return true;
        if (!isLast && Math.Abs(after - before) > Math.Max(1, (_copyBytes - _sharedBytes) / 2))
            return false;
        Tell(catalog, step, seconds ?? 1, Math.Min(before, after));
        return true;
    }

    // What is free, and what may be given up for a save. In this order, since a save that writes in between then takes room and does not make it.
    private long? Room()
    {
        long staged = _disk.ReclaimableBytes(RunFolder.Staging);
        return staged + _disk.AvailableBytes(RunFolder.Staging);
    }

    private void Tell(Catalog catalog, long step, double seconds, long room)
    {
        if (Forecast(catalog, step, seconds, room, out Int128 limit, out Int128 standingBytes, out CopySize copy) is not { } first || first.Step >= _told)
            return;
        _told = first.Step;
        string kind = first.Kind.ToString().ToLowerInvariant();
        string message = $"Space will end at step {first.Step}: the {kind} of {Quantities.Bytes(copy.Bytes)}{(copy.OwnBytes < copy.Bytes ? $" ({Quantities.Bytes(copy.OwnBytes)} of it new)" : "")} will not fit. {Quantities.Bytes(room)} are left in {_disk.Root}, its copies take {Quantities.Bytes((double)standingBytes)}, and {Planned()}. {RunForecast.SpaceAdvice(limit, copy)}";
        _run.Logger.SpaceWillEnd(message);
        _journal.Write("space_ends", json =>
        {
            json.WriteNumber("step", first.Step);
            json.WriteString("kind", kind);
            json.WriteString("message", message);
        });
        _alert(message);
    }

    // Where all saves to come would fit even if nothing went, no copy need be looked at.
    private bool FitsAnyway(long step, long room)
    {
        long stride = _run.Options.SavesByTime ? 1 : _run.Options.StrideOf(_total);
        return _copyBytes > 0 && (Int128)((_total - step) / stride + StandingCopies.SnapshotSlots) * (_copyBytes - _sharedBytes) + _sharedBytes <= room - SpaceMaker.Reserve;
    }

    private ForecastCopy? Forecast(Catalog catalog, long step, double seconds, long room, out Int128 limit, out Int128 standingBytes, out CopySize copy)
    {
        var line = LineView.Of(_run.Record);
        CatalogEntry[] own = [.. catalog.Entries.Where(line.Holds)];
        CatalogEntry[] snapshots = [.. own.Where(entry => entry.Slot is not null).OrderBy(entry => entry.Step)];
        var shared = SharedFiles.Among(own);
        RetainedCheckpoint[] checkpoints = Retirement.Known(own, line, shared);
        long copyBytes = Math.Max(_copyBytes, own.Length > 0 ? own[0].Marker!.Bytes : 0);
        IReadOnlyList<SharedBytes> unchanged = own.Length > 0 ? shared.Of(own[0]) : [];
        // The next copies share with the newest one, though nobody has shared with it yet.
        if (unchanged.Count == 0 && _sharedBytes > 0)
        {
            unchanged = [new SharedBytes(UInt128.MaxValue, _sharedBytes)];
            checkpoints = [.. checkpoints.Select(checkpoint => own[0].Slot is null && checkpoint.Step == own[0].Step ? checkpoint with { Shared = unchanged } : checkpoint)];
        }
        copy = new CopySize(copyBytes, unchanged);
        var standing = new StandingCopies(_run.Options.KeepsAll ? null : _run.Options.CreateRetention(), checkpoints, snapshots.Select(entry => new CopySize(entry.Marker!.Bytes, entry == own[0] ? unchanged : shared.Of(entry))))
        {
            KeepOptimizer = _run.Options.KeepOptimizer,
            WeightsBytes = own.Select(entry => WeightsOnly.Of(entry.Marker!)).FirstOrDefault(smaller => smaller is not null)?.Bytes ?? _weightsBytes,
        };
        standingBytes = standing.Bytes;
        limit = Int128.Max(0, standing.Bytes + room - SpaceMaker.Reserve);
        return copyBytes == 0 ? null : RunForecast.Of(_run.Options.Forecast(standing, _total, copy) with
        {
            // Training goes on meanwhile, and what it has saved stands there.
            FromStep = own.Length > 0 ? Math.Max(step, own[0].Step) : step,
            StepSeconds = seconds,
            SpaceLimit = limit,
            Start = _run.Time.GetUtcNow(),
            OnlySpace = true,
        }).FirstWithoutSpace;
    }

    private string Planned() => $"the run is planned to step {_total}, keeping {(_run.Options.KeepsAll ? "all checkpoints" : _run.Options.CreateRetention().Describe)}";

    private static long BytesOf(StateNode node, Func<StateTensor, bool> counts) => node switch
    {
        StateTensor tensor => counts(tensor) ? tensor.ByteLength : 0,
        StateMap map => map.Sum(entry => BytesOf(entry.Value, counts)),
        StateList list => list.Sum(item => BytesOf(item, counts)),
        _ => 0,
    };
}
