using System.Runtime.InteropServices;

namespace Cairn.Policies;

/// <summary>A save that a forecast makes.</summary>
internal sealed record ForecastCopy(long Step, SaveKind Kind, SaveReason Reason);

/// <summary>The size of a copy.</summary>
/// <param name="Bytes">Bytes of all its files.</param>
/// <param name="Shared">Those of them that other copies have too.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct CopySize(long Bytes, IReadOnlyList<SharedBytes> Shared)
{
    public static implicit operator CopySize(long bytes) => new(bytes, []);

    /// <summary>Bytes of the files that no other copy has.</summary>
    public long OwnBytes => Bytes - Shared.Sum(static file => file.Bytes);
}

/// <summary>
/// Which copies stand as saves come and retention goes, and the bytes that they take, those that copies share counted once. Pure. A new copy is written beside all others; the files of a snapshot that was replaced stay
/// staged, to be overwritten by the next one, and are given up for a checkpoint when space is short.
/// </summary>
internal sealed class StandingCopies
{
    /// <summary>How many snapshots there are.</summary>
    public const int SnapshotSlots = 2;

    private readonly IRetentionPolicy? _retention;
    private readonly List<RetainedCheckpoint> _checkpoints;
    private readonly List<(long Step, CopySize Size)> _snapshots;
    private readonly DistinctBytes _bytes = new();
    private long _staged;

    /// <param name="retention">Which checkpoints stay; <see langword="null"/> for all.</param>
    /// <param name="checkpoints">Those that stand at the beginning.</param>
    /// <param name="snapshots">The snapshots that stand at the beginning, the older one first.</param>
    public StandingCopies(IRetentionPolicy? retention, IEnumerable<RetainedCheckpoint> checkpoints, IEnumerable<CopySize> snapshots)
    {
        _retention = retention;
        _checkpoints = [.. checkpoints.OrderBy(checkpoint => checkpoint.Step)];
        _snapshots = [.. snapshots.Select(size => (-1L, size))];
        foreach (RetainedCheckpoint checkpoint in _checkpoints)
            _bytes.Add(checkpoint.Bytes, checkpoint.Shared);
        foreach ((_, CopySize size) in _snapshots)
            _bytes.Add(size.Bytes, size.Shared);
    }

    /// <summary>How many of the newest checkpoints keep all; <see langword="null"/> for all of them.</summary>
    public int? KeepOptimizer { get; init; }

    /// <summary>Bytes of the others.</summary>
    public long WeightsBytes { get; init; } = long.MaxValue;

    /// <summary>The checkpoints, the oldest first.</summary>
    public IReadOnlyList<RetainedCheckpoint> Checkpoints => _checkpoints;

    /// <summary>The steps of the snapshots that were taken since the beginning, the older one first.</summary>
    public IEnumerable<long> SnapshotSteps => _snapshots.Where(snapshot => snapshot.Step >= 0).Select(snapshot => snapshot.Step);

    /// <summary>Bytes of all copies that have their names.</summary>
    public Int128 Bytes => _bytes.Total;

    /// <summary>The same with the files that are kept to be overwritten.</summary>
    public Int128 OnDisk => Bytes + _staged;

    /// <summary>Bytes of a copy that are written: all but those that a copy which stands has already.</summary>
    public Int128 WrittenFor(CopySize copy) => _bytes.Added(copy.Bytes, copy.Shared);

    /// <summary>Bytes that must be there while a copy is written, with what may be given up for it gone.</summary>
    public Int128 NeededFor(CopySize copy) => Bytes + WrittenFor(copy);

    /// <summary>Bytes on the disk while a copy is written where nothing has to be given up.</summary>
    public Int128 PeakOf(SaveKind kind, CopySize copy) => Bytes + (kind == SaveKind.Snapshot ? Int128.Max(WrittenFor(copy), _staged) : WrittenFor(copy) + _staged);

    /// <summary>Adds a checkpoint, and retires what need not be kept any more.</summary>
    public void Add(RetainedCheckpoint checkpoint)
    {
        _checkpoints.Add(checkpoint);
        _bytes.Add(checkpoint.Bytes, checkpoint.Shared);
        if (_retention is not null)
        {
            HashSet<long> retired = [.. RetentionPlan.Decide(_retention, _checkpoints, new HashSet<long> { checkpoint.Step })];
            foreach (RetainedCheckpoint copy in _checkpoints.Where(copy => retired.Contains(copy.Step)))
                _bytes.Remove(copy.Bytes, copy.Shared);
            _checkpoints.RemoveAll(copy => retired.Contains(copy.Step));
        }
        // Those before have lost it already.
        for (int i = _checkpoints.Count - 1 - (KeepOptimizer ?? _checkpoints.Count); i >= 0 && _checkpoints[i].Bytes > WeightsBytes; i--)
        {
            _bytes.Remove(_checkpoints[i].Bytes, _checkpoints[i].Shared);
            _checkpoints[i] = _checkpoints[i] with { Bytes = WeightsBytes };
            _bytes.Add(WeightsBytes, _checkpoints[i].Shared);
        }
    }

    /// <summary>Adds a snapshot in the place of the older one.</summary>
    public void AddSnapshot(long step, CopySize copy)
    {
        _bytes.Add(copy.Bytes, copy.Shared);
        if (_snapshots.Count == SnapshotSlots)
        {
            CopySize replaced = _snapshots[0].Size;
            _bytes.Remove(replaced.Bytes, replaced.Shared);
            // What others have too cannot be overwritten, and is not kept.
            _staged = replaced.OwnBytes;
            _snapshots.RemoveAt(0);
        }
        _snapshots.Add((step, copy));
    }
}
