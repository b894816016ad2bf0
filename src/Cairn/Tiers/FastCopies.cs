using Cairn.Policies;
using Cairn.Ranks;

namespace Cairn.Tiers;

/// <summary>A copy that is whole in the fast tier, on whichever hosts.</summary>
/// <param name="Digest">What its marker's bytes are known by.</param>
/// <param name="Kind">Its tier at home.</param>
/// <param name="Reason">Why it was saved.</param>
/// <param name="Step">Its step.</param>
internal sealed record TieredCopy(UInt128 Digest, SaveKind Kind, SaveReason Reason, long Step)
{
    public void Write(BinaryWriter to)
    {
        RankMessages.Write(to, Digest);
        to.Write((byte)Kind);
        to.Write((byte)Reason);
        to.Write(Step);
    }

    public static TieredCopy Read(BinaryReader from) => new(from.ReadUInt128(), (SaveKind)from.ReadByte(), (SaveReason)from.ReadByte(), from.ReadInt64());
}

/// <summary>How bringing a copy to the home ended.</summary>
internal enum DrainEnd
{
    /// <summary>The home has it.</summary>
    Durable,
    /// <summary>The home did not take it; it is tried again.</summary>
    Failed,
    /// <summary>There is nothing good to bring.</summary>
    Damaged,
}

/// <summary>
/// The copies in the fast tier and what the home has of them: what is brought there next, and what a new copy may replace. One at a time is brought: checkpoints in their order, then the
/// newest snapshot, if the home has nothing newer. On the first rank; from any thread.
/// </summary>
internal sealed class FastCopies(TimeProvider time)
{
    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(2), LongestPause = TimeSpan.FromMinutes(2);

    private readonly object _gate = new();
    private readonly Dictionary<UInt128, TieredCopy> _waiting = [];
    private readonly Dictionary<UInt128, long> _durable = [];
    private readonly HashSet<UInt128> _replaced = [];
    private TieredCopy? _underWay;
    private bool _isHeld;
    private long _newestAtHome;
    private long _failedAt;
    private TimeSpan _pause;

    /// <summary>What is known at the start.</summary>
    /// <param name="waiting">Copies of the line that the home does not have.</param>
    /// <param name="durable">Copies of the line that it has.</param>
    /// <param name="newestAtHome">The newest step of the line there.</param>
    public void Begin(IEnumerable<TieredCopy> waiting, IEnumerable<TieredCopy> durable, long newestAtHome)
    {
        lock (_gate)
        {
            foreach (TieredCopy copy in waiting)
                _waiting[copy.Digest] = copy;
            foreach (TieredCopy copy in durable)
                _durable[copy.Digest] = copy.Step;
            _newestAtHome = newestAtHome;
        }
    }

    /// <summary>What is being brought to the home.</summary>
    public TieredCopy? UnderWay
    {
        get
        {
            lock (_gate)
                return _underWay;
        }
    }

    /// <summary>Whether the home refused the last one.</summary>
    public bool IsFailing => Volatile.Read(ref _failedAt) != 0;

    /// <summary>Whether checkpoints that wait for the home fill the folder.</summary>
    public bool IsFull
    {
        get
        {
            lock (_gate)
                return _waiting.Values.Count(copy => copy.Kind == SaveKind.Checkpoint) >= FastPlace.Slots;
        }
    }

    /// <summary>Takes the copy that is to be brought next; <see langword="null"/> when there is none, one is under way, or the home refused and is left alone for a while.</summary>
    /// <param name="now">Also right after the home refused.</param>
    public TieredCopy? TakeNext(bool now = false)
    {
        lock (_gate)
        {
            if (_isHeld || _underWay is not null || (!now && _failedAt != 0 && time.GetElapsedTime(_failedAt) < _pause))
                return null;
            return _underWay = Waiting.FirstOrDefault();
        }
    }

    /// <summary>How many copies are still to be brought.</summary>
    public int Left
    {
        get
        {
            lock (_gate)
                return Waiting.Count() + (_underWay is null ? 0 : 1);
        }
    }

    private IEnumerable<TieredCopy> Waiting => _waiting.Values.Where(copy => copy.Digest != _underWay?.Digest && !_replaced.Contains(copy.Digest) && (copy.Kind == SaveKind.Checkpoint || IsNewestOfAll(copy)))
        .OrderBy(copy => copy.Kind).ThenBy(copy => copy.Step);

    // Of snapshots only the newest.
    private bool IsNewestOfAll(TieredCopy copy) => copy.Step > _newestAtHome && _waiting.Values.All(other => other.Step <= copy.Step);

    /// <summary>What was under way has ended.</summary>
    public void Ended(DrainEnd end)
    {
        lock (_gate)
        {
            if (_underWay is not { } copy)
                return;
            _underWay = null;
            if (end == DrainEnd.Failed)
            {
                _failedAt = Math.Max(1, time.GetTimestamp());
                _pause = _pause == TimeSpan.Zero ? ShortestPause : _pause * 2 < LongestPause ? _pause * 2 : LongestPause;
            }
            else
            {
                _waiting.Remove(copy.Digest);
                if (end == DrainEnd.Durable)
                {
                    _durable[copy.Digest] = copy.Step;
                    _newestAtHome = Math.Max(_newestAtHome, copy.Step);
                    (_failedAt, _pause) = (0, TimeSpan.Zero);
                }
            }
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>A copy was written to the home without this tier.</summary>
    public void Saved(long step)
    {
        lock (_gate)
            _newestAtHome = Math.Max(_newestAtHome, step);
    }

    /// <summary>Chooses the slots of a new copy and keeps what stands in them from being brought to the home.</summary>
    /// <param name="hosts">For each host, the copy in each slot.</param>
    /// <param name="force">Whether a checkpoint goes that the home has not got, when nothing else may.</param>
    /// <returns>The slot of each host; <see langword="null"/> when there is none.</returns>
    public int[]? Reserve(IReadOnlyList<IReadOnlyList<UInt128?>> hosts, bool force)
    {
        lock (_gate)
        {
            _replaced.Clear();
            int[]? slots = FastSlots.Choose(hosts, digest => KeepPriority(digest, hosts.Count));
            if (slots is null && force)
                slots = FastSlots.Choose(hosts, digest => digest == _underWay?.Digest ? null : _waiting.GetValueOrDefault(digest)?.Step ?? -1);
            if (slots is null)
                return null;
            for (int host = 0; host < hosts.Count; host++)
            {
                if (hosts[host][slots[host]] is { } replaced)
                    _replaced.Add(replaced);
            }
            return slots;
        }
    }

    // One that is on its way is being read. A checkpoint goes to the home first. With several hosts, which cannot replace the newest one all at once, it stays until there is a newer one.
    private long? KeepPriority(UInt128 digest, int hosts)
    {
        if (_durable.TryGetValue(digest, out long step))
            return step;
        if (!_waiting.TryGetValue(digest, out TieredCopy? copy))
            return -1;
        bool stays = digest == _underWay?.Digest || copy.Kind == SaveKind.Checkpoint || (hosts > 1 && _waiting.Values.All(other => other.Step <= copy.Step));
        return stays ? null : copy.Step;
    }

    /// <summary>A new copy stands in the slots that were reserved.</summary>
    /// <returns>Checkpoints that had to go although the home has not got them.</returns>
    public IReadOnlyList<TieredCopy> Committed(TieredCopy copy)
    {
        lock (_gate)
        {
            TieredCopy[] lost = [.. _replaced.Select(digest => _waiting.GetValueOrDefault(digest)).OfType<TieredCopy>().Where(gone => gone.Kind == SaveKind.Checkpoint)];
            foreach (UInt128 digest in _replaced)
            {
                _waiting.Remove(digest);
                _durable.Remove(digest);
            }
            _replaced.Clear();
            _waiting[copy.Digest] = copy;
            return lost;
        }
    }

    /// <summary>No new copy came: what was to be replaced stays.</summary>
    public void Release()
    {
        lock (_gate)
            _replaced.Clear();
    }

    /// <summary>The folder was freed.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            _waiting.Clear();
            _durable.Clear();
        }
    }

    /// <summary>Waits until what is under way has ended, or this long.</summary>
    public void WaitForEnd(TimeSpan atMost)
    {
        lock (_gate)
        {
            if (_underWay is not null)
                Monitor.Wait(_gate, atMost);
        }
    }

    /// <summary>Lets nothing begin, if nothing is under way.</summary>
    public bool TryHold()
    {
        lock (_gate)
        {
            if (_underWay is not null)
                return false;
            return _isHeld = true;
        }
    }

    /// <summary>Lets begin what waits.</summary>
    public void LetGo()
    {
        lock (_gate)
            _isHeld = false;
    }
}
