namespace Cairn.Policies;

/// <summary>What is known about the rest of a run.</summary>
internal sealed record ForecastRequest
{
    /// <summary>When saves are due; <see langword="null"/> when nothing is saved.</summary>
    public required SaveSchedule? Schedule { get; init; }
    /// <summary>What stands already, and what will be kept.</summary>
    public required StandingCopies Standing { get; init; }
    /// <summary>Steps between which nothing can become due.</summary>
    public required long Stride { get; init; }
    /// <summary>The step that is reached.</summary>
    public long FromStep { get; init; }
    /// <summary>The last step.</summary>
    public required long TotalSteps { get; init; }
    /// <summary>Time of one step without any save, in seconds.</summary>
    public required double StepSeconds { get; init; }
    /// <summary>Time for which training waits at a save, in seconds.</summary>
    public double StallSeconds { get; init; }
    /// <summary>Time from a save until its copy is durable, in seconds.</summary>
    public double DurableSeconds { get; init; }
    /// <summary>The share of the time for which training may wait, where snapshots have no interval; else <see langword="null"/>.</summary>
    public double? SnapshotStallBudget { get; init; }
    /// <summary>The size of one copy.</summary>
    public required CopySize Copy { get; init; }
    /// <summary>Bytes that all copies may take; <see langword="null"/> for no limit.</summary>
    public Int128? SpaceLimit { get; init; }
    /// <summary>The time at <see cref="FromStep"/>.</summary>
    public DateTimeOffset Start { get; init; } = DateTimeOffset.UnixEpoch;
    /// <summary>The metric by which checkpoints are kept, if they are: each one is taken to be better than those before it.</summary>
    public (string Name, bool HigherIsBetter)? Metric { get; init; }
    /// <summary>Whether only the end of the space is asked for.</summary>
    public bool OnlySpace { get; init; }
}

/// <summary>
/// Plays a run through, with the schedule and the retention that the real one has, without failures and skipped batches. Pure. The one forecast of <c>cairn plan</c> and of the warning that space will end.
/// </summary>
internal sealed class RunForecast
{
    private readonly ForecastRequest _request;
    private double _now, _writingUntil, _lastSave;

    private RunForecast(ForecastRequest request) => _request = request;

    /// <summary>Seconds of the run with its stalls.</summary>
    public double Seconds => _now;
    /// <summary>Checkpoints that are saved.</summary>
    public long Checkpoints { get; private set; }
    /// <summary>Snapshots that are saved.</summary>
    public long Snapshots { get; private set; }
    /// <summary>Snapshots that are due while a save before is still being written.</summary>
    public long Dropped { get; private set; }
    /// <summary>Seconds that are waited for saves.</summary>
    public double Stall { get; private set; }
    /// <summary>Of these, waiting of a checkpoint on the way for the save before it.</summary>
    public double Queued { get; private set; }
    /// <summary>The sum of the squares of the times between saves, in seconds².</summary>
    public double SquaredGaps { get; private set; }
    /// <summary>The longest of them, in seconds.</summary>
    public double LongestGap { get; private set; }
    /// <summary>Bytes that are written.</summary>
    public Int128 BytesWritten { get; private set; }
    /// <summary>The most bytes that stand on the disk at once, a copy being written included.</summary>
    public Int128 PeakBytes { get; private set; }
    /// <summary>The first save that does not fit.</summary>
    public ForecastCopy? FirstWithoutSpace { get; private set; }
    /// <summary>The saves that are made, and the bytes on the disk after each.</summary>
    public List<(ForecastCopy Copy, Int128 Bytes)> Saves { get; } = [];

    /// <summary>Plays it through.</summary>
    public static RunForecast Of(ForecastRequest request)
    {
        var forecast = new RunForecast(request);
        forecast.Run();
        return forecast;
    }

    /// <summary>What to set so that a run fits into a space: how many checkpoints may be kept beside two snapshots and the one being written.</summary>
    /// <param name="limit">Bytes that all copies may take.</param>
    /// <param name="copy">The size of one. What all share is there once.</param>
    public static string SpaceAdvice(Int128 limit, CopySize copy)
    {
        long copyBytes = Math.Max(1, copy.OwnBytes), sharedBytes = copy.Bytes - copy.OwnBytes;
        Int128 room = Int128.Max(0, limit - sharedBytes) / copyBytes;
        const int Beside = StandingCopies.SnapshotSlots + 1, Least = 2;
        return room - Beside >= Least ? $"Keep fewer: KeepLast of at most {room - Beside}."
            : $"That is room for {room} copies; two checkpoints, two snapshots and the one being written need {Quantities.Bytes((double)copyBytes * (Beside + Least) + sharedBytes)}.";
    }

    private void Run()
    {
        long previous = _request.FromStep;
        SnapshotPacing? pacing = _request.SnapshotStallBudget is { } budget ? new SnapshotPacing(budget, _request.Start, previous) : null;
        var (checkpoint, snapshot) = (new SavedTier(null, _request.Start), new SavedTier(null, _request.Start));
        while (previous < _request.TotalSteps && !(_request.OnlySpace && FirstWithoutSpace is not null))
        {
            long step = Math.Min(_request.TotalSteps, (previous / _request.Stride + 1) * _request.Stride);
            _now += (step - previous) * _request.StepSeconds;
            DateTimeOffset now = _request.Start + TimeSpan.FromSeconds(_now);
            var situation = new SaveSituation(step, previous, now, checkpoint, snapshot, step == _request.TotalSteps ? SaveRequests.Final : SaveRequests.None)
            {
                Pace = pacing?.At(now, step, TimeSpan.FromSeconds(Stall), _now < _writingUntil, Math.Max(checkpoint.LastStep ?? 0, snapshot.LastStep ?? 0)) ?? default,
                LastStep = _request.TotalSteps,
            };
            if (_request.Schedule?.Decide(situation) is { } decision && Save(new ForecastCopy(step, decision.Kind, decision.Reason)))
            {
                pacing?.Begin(now, step);
                if (decision.Kind == SaveKind.Checkpoint)
                    checkpoint = new SavedTier(step, now);
                else
                    snapshot = new SavedTier(step, now);
            }
            previous = step;
        }
        Gap();
    }

    private bool Save(ForecastCopy copy)
    {
        bool isCheckpoint = copy.Kind == SaveKind.Checkpoint, isFinal = copy.Reason == SaveReason.Final;
        if (_now < _writingUntil)
        {
            if (!isCheckpoint)
            {
                Dropped++;
                return false;
            }
            // The end waits for all in any case.
            if (!isFinal)
                Queued += _writingUntil - _now;
            Stall += _writingUntil - _now;
            _now = _writingUntil;
        }
        Gap();
        double written = _now + _request.DurableSeconds;
        Stall += _request.StallSeconds;
        _now += _request.StallSeconds;
        // The end is waited for.
        if (isFinal && written > _now)
        {
            Stall += written - _now;
            _now = written;
        }
        _writingUntil = written;
        Take(copy, isCheckpoint);
        return true;
    }

    private void Take(ForecastCopy copy, bool isCheckpoint)
    {
        StandingCopies standing = _request.Standing;
        PeakBytes = Int128.Max(PeakBytes, standing.PeakOf(copy.Kind, _request.Copy));
        if (FirstWithoutSpace is null && standing.NeededFor(_request.Copy) > (_request.SpaceLimit ?? Int128.MaxValue))
            FirstWithoutSpace = copy;
        BytesWritten += standing.WrittenFor(_request.Copy);
        if (isCheckpoint)
        {
            Checkpoints++;
            standing.Add(new RetainedCheckpoint(copy.Step, _request.Copy.Bytes, MetricsAt(copy.Step), true, _request.Start + TimeSpan.FromSeconds(_now)) { Shared = _request.Copy.Shared });
        }
        else
        {
            Snapshots++;
            standing.AddSnapshot(copy.Step, _request.Copy);
        }
        if (!_request.OnlySpace)
            Saves.Add((copy, standing.OnDisk));
    }

    private Dictionary<string, double> MetricsAt(long step) =>
        _request.Metric is { } metric ? new(StringComparer.Ordinal) { [metric.Name] = metric.HigherIsBetter ? step : -step } : new(StringComparer.Ordinal);

    private void Gap()
    {
        double gap = _now - _lastSave;
        SquaredGaps += gap * gap;
        LongestGap = Math.Max(LongestGap, gap);
        _lastSave = _now;
    }
}
