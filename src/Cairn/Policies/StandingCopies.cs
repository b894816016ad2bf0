namespace Cairn.Policies;

/// <summary>A save that a forecast makes.</summary>
internal sealed record ForecastCopy(long Step, SaveKind Kind, SaveReason Reason);

/// <summary>
/// Which copies stand as saves come and retention goes, and the bytes that they take. Pure. A new copy is written beside all others; the files of a snapshot that was replaced stay staged, to be overwritten by the next
/// one, and are given up for a checkpoint when space is short.
/// </summary>
/// <param name="retention">Which checkpoints stay; <see langword="null"/> for all.</param>
/// <param name="checkpoints">Those that stand at the beginning.</param>
/// <param name="snapshots">The bytes of the snapshots that stand at the beginning, the older one first.</param>
internal sealed class StandingCopies(IRetentionPolicy? retention, IEnumerable<RetainedCheckpoint> checkpoints, IEnumerable<long> snapshots)
{
    /// <summary>How many of the newest checkpoints keep all; <see langword="null"/> for all of them.</summary>
    public int? KeepOptimizer { get; init; }

    /// <summary>Bytes of the others.</summary>
    public long WeightsBytes { get; init; } = long.MaxValue;

    /// <summary>How many snapshots there are.</summary>
    public const int SnapshotSlots = 2;

    private readonly List<RetainedCheckpoint> _checkpoints = [.. checkpoints.OrderBy(checkpoint => checkpoint.Step)];
    private readonly List<(long Step, long Bytes)> _snapshots = [.. snapshots.Select(bytes => (-1L, bytes))];
    private long _staged;

    /// <summary>The checkpoints, the oldest first.</summary>
    public IReadOnlyList<RetainedCheckpoint> Checkpoints => _checkpoints;

    /// <summary>The steps of the snapshots that were taken since the beginning, the older one first.</summary>
    public IEnumerable<long> SnapshotSteps => _snapshots.Where(snapshot => snapshot.Step >= 0).Select(snapshot => snapshot.Step);

    /// <summary>Bytes of all copies that have their names.</summary>
    public Int128 Bytes { get; private set; } = Sum(checkpoints.Select(checkpoint => checkpoint.Bytes)) + Sum(snapshots);

    /// <summary>The same with the files that are kept to be overwritten.</summary>
    public Int128 OnDisk => Bytes + _staged;

    /// <summary>Bytes that must be there while a copy is written, with what may be given up for it gone.</summary>
    public Int128 NeededFor(long bytes) => Bytes + bytes;

    /// <summary>Bytes on the disk while a copy is written where nothing has to be given up.</summary>
    public Int128 PeakOf(SaveKind kind, long bytes) => Bytes + (kind == SaveKind.Snapshot ? Math.Max(bytes, _staged) : bytes + _staged);

    /// <summary>Adds a checkpoint, and retires what need not be kept any more.</summary>
    public void Add(RetainedCheckpoint checkpoint)
    {
        _checkpoints.Add(checkpoint);
        Bytes += checkpoint.Bytes;
        if (retention is not null)
        {
            HashSet<long> retired = [.. RetentionPlan.Decide(retention, _checkpoints, new HashSet<long> { checkpoint.Step })];
            Bytes -= Sum(_checkpoints.Where(copy => retired.Contains(copy.Step)).Select(copy => copy.Bytes));
            _checkpoints.RemoveAll(copy => retired.Contains(copy.Step));
        }
        // Those before have lost it already.
        for (int i = _checkpoints.Count - 1 - (KeepOptimizer ?? _checkpoints.Count); i >= 0 && _checkpoints[i].Bytes > WeightsBytes; i--)
        {
            Bytes -= _checkpoints[i].Bytes - WeightsBytes;
            _checkpoints[i] = _checkpoints[i] with { Bytes = WeightsBytes };
        }
    }

    /// <summary>Adds a snapshot in the place of the older one.</summary>
    public void AddSnapshot(long step, long bytes)
    {
        Bytes += bytes;
        if (_snapshots.Count == SnapshotSlots)
        {
            Bytes -= _snapshots[0].Bytes;
            _staged = _snapshots[0].Bytes;
            _snapshots.RemoveAt(0);
        }
        _snapshots.Add((step, bytes));
    }

    private static Int128 Sum(IEnumerable<long> bytes) => bytes.Aggregate(Int128.Zero, (sum, one) => sum + one);
}
