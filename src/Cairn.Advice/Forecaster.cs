using Cairn.Checkpoints;
using Cairn.Policies;

namespace Cairn.Advice;

/// <summary>Plays a run through, with the schedule and the retention that the real one would have.</summary>
internal static class Forecaster
{
    // A schedule by time is asked at every step, but not more often than this over the whole run.
    private const long MostQuestions = 5_000_000;
    private const int MostSpacePoints = 240;

    /// <summary>What a run would do under these options.</summary>
    /// <exception cref="ArgumentException">The request or the options are out of range.</exception>
    public static Forecast Run(PlanRequest request, CheckpointOptions options)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(options);
        if (request.Problems() is [var problem, ..])
            throw new ArgumentException(problem, nameof(request));
        var simulation = new Simulation(request, options);
        return simulation.Run();
    }

    private sealed class Simulation(PlanRequest request, CheckpointOptions options)
    {
        private readonly SaveSchedule _schedule = options.CreateSchedule();
        private readonly IRetentionPolicy? _retention =
            options.KeepsAll ? null : options.CreateRetention();
        private readonly List<PlannedCopy> _checkpoints = [], _snapshots = [];
        private readonly List<SpacePoint> _space = [new(0, 0)];
        private readonly DateTimeOffset _start = DateTimeOffset.UnixEpoch;
        private double _now, _writingUntil, _lastSave, _stall, _queued, _squaredGaps, _longestGap;
        private long _saved, _snapshotsSaved, _dropped, _peak;
        private bool _staged;
        private PlannedCopy? _withoutSpace;

        public Forecast Run()
        {
            long stride = Stride(), previous = 0;
            var (checkpoint, snapshot) = (new SavedTier(null, _start), new SavedTier(null, _start));
            while (previous < request.TotalSteps)
            {
                long step = Math.Min(request.TotalSteps, (previous / stride + 1) * stride);
                _now += (step - previous) * request.StepTime.TotalSeconds;
                bool ends = step == request.TotalSteps;
                DateTimeOffset now = _start + TimeSpan.FromSeconds(_now);
                var situation = new SaveSituation(step, previous, now, checkpoint, snapshot, ends ? SaveRequests.Final : SaveRequests.None);
                if (options.Enabled && _schedule.Decide(situation) is { } decision && Save(new PlannedCopy(step, decision.Kind, decision.Reason)))
                {
                    if (decision.Kind == SaveKind.Checkpoint)
                        checkpoint = new SavedTier(step, now);
                    else
                        snapshot = new SavedTier(step, now);
                }
                previous = step;
            }
            Gap();
            return Summary();
        }

        // Steps between which nothing can become due: whole numbers of steps meet every multiple of both intervals.
        private long Stride()
        {
            if (options.CheckpointInterval is not null || options.SnapshotInterval is not null)
                return Math.Max(1, request.TotalSteps / MostQuestions);
            long stride = Gcd(options.CheckpointEvery ?? 0, options.SnapshotSteps ?? 0);
            return stride == 0 ? request.TotalSteps : stride;
        }

        private bool Save(PlannedCopy copy)
        {
            bool isCheckpoint = copy.Kind == SaveKind.Checkpoint;
            if (_now < _writingUntil)
            {
                if (!isCheckpoint)
                {
                    _dropped++;
                    return false;
                }
                // The end waits for all in any case.
                if (copy.Reason != SaveReason.Final)
                    _queued += _writingUntil - _now;
                _stall += _writingUntil - _now;
                _now = _writingUntil;
            }
            Gap();
            double written = _now + request.DurableAfter.TotalSeconds;
            _stall += request.Stall.TotalSeconds;
            _now += request.Stall.TotalSeconds;
            // The end is waited for.
            if (copy.Reason == SaveReason.Final && written > _now)
            {
                _stall += written - _now;
                _now = written;
            }
            _writingUntil = written;
            TakeSpace(copy);
            if (isCheckpoint)
            {
                _saved++;
                _checkpoints.Add(copy);
                Retire(copy.Step);
            }
            else
            {
                _snapshotsSaved++;
                _staged |= _snapshots.Count == RunFolder.Slots;
                if (_snapshots.Count == RunFolder.Slots)
                    _snapshots.RemoveAt(0);
                _snapshots.Add(copy);
            }
            _space.Add(new SpacePoint(copy.Step, Bytes(_checkpoints.Count + _snapshots.Count + (_staged ? 1 : 0))));
            return true;
        }

        // The new copy is written beside all others. A replaced snapshot's files stay staged, to be overwritten by the next one; for a
        // checkpoint they are given up when space is short.
        private void TakeSpace(PlannedCopy copy)
        {
            int standing = _checkpoints.Count + _snapshots.Count;
            bool reuses = copy.Kind == SaveKind.Snapshot;
            _peak = Math.Max(_peak, Bytes(standing + 1 + (_staged && !reuses ? 1 : 0)));
            if (_withoutSpace is null && Bytes(standing + 1) > (request.SpaceLimit ?? long.MaxValue))
                _withoutSpace = copy;
        }

        private void Retire(long saved)
        {
            if (_retention is null)
                return;
            var known = _checkpoints.ConvertAll(copy => new RetainedCheckpoint(copy.Step, request.StateBytes, new Dictionary<string, double>(StringComparer.Ordinal), true, _start));
            HashSet<long> retired = [.. RetentionPlan.Decide(_retention, known, new HashSet<long> { saved })];
            _checkpoints.RemoveAll(copy => retired.Contains(copy.Step));
        }

        private void Gap()
        {
            double gap = _now - _lastSave;
            _squaredGaps += gap * gap;
            _longestGap = Math.Max(_longestGap, gap);
            _lastSave = _now;
        }

        private long Bytes(int copies) => (long)Int128.Min(long.MaxValue, (Int128)copies * request.StateBytes);

        private Forecast Summary()
        {
            // A failure falls into a gap as often as the gap is long, and on average into its middle; until a copy is durable it does not count.
            double untilDurable = _saved + _snapshotsSaved > 0 ? request.DurableAfter.TotalSeconds : 0;
            return new Forecast
            {
                Duration = TimeSpan.FromSeconds(_now),
                Checkpoints = _saved,
                Snapshots = _snapshotsSaved,
                Dropped = _dropped,
                Stall = TimeSpan.FromSeconds(_stall),
                Queued = TimeSpan.FromSeconds(_queued),
                BytesWritten = (Int128)(_saved + _snapshotsSaved) * request.StateBytes,
                PeakBytes = _peak,
                FirstWithoutSpace = _withoutSpace,
                Space = Thinned(_space),
                AtEnd = [.. _checkpoints.Concat(_snapshots).OrderByDescending(copy => copy.Step).ThenBy(copy => copy.Kind)],
                MeanLoss = TimeSpan.FromSeconds(_squaredGaps / (2 * _now) + untilDurable),
                WorstLoss = TimeSpan.FromSeconds(_longestGap + untilDurable),
                LongestGap = TimeSpan.FromSeconds(_longestGap),
            };
        }

        private static List<SpacePoint> Thinned(List<SpacePoint> points)
        {
            if (points.Count <= MostSpacePoints)
                return points;
            var kept = new List<SpacePoint>(MostSpacePoints);
            for (int i = 0; i < MostSpacePoints; i++)
                kept.Add(points[(int)((long)i * (points.Count - 1) / (MostSpacePoints - 1))]);
            return kept;
        }

        private static long Gcd(long a, long b)
        {
            while (b != 0)
                (a, b) = (b, a % b);
            return a;
        }
    }
}
