namespace Cairn.Stores;

/// <summary>
/// Memory that the machine, or the container that this process runs in, can do without. It is lent in steps, each after a look at what is used by then: other processes may take of the
/// same. A little is always there. All members may be called from any thread.
/// </summary>
/// <param name="look">Says what there is and what is used of it.</param>
internal sealed class SpareMemory(Func<(long Total, long Used)> look)
{
    // Of all memory, so much stays free: an eighth.
    private const int Untouched = 8;
    private const long Step = 256L << 20;
    // Not worth a look.
    private const long Little = 64L << 20;

    private readonly Lock _gate = new();
    private long _granted = Little;

    /// <summary>That of this machine or container.</summary>
    public SpareMemory() : this(Look) { }

    /// <summary>Whether these bytes may be taken too.</summary>
    public bool TryTake(long bytes)
    {
        lock (_gate)
        {
            if (bytes > _granted)
            {
                long step = Math.Max(bytes, Step);
                (long total, long used) = look();
                // What was granted and is not used yet does not count as used.
                if (total - used - _granted - step < total / Untouched)
                    return false;
                _granted += step;
            }
            _granted -= bytes;
            return true;
        }
    }

    // Only a collection looks at the memory of the machine or the container, without the system's caches; that of the youngest objects takes less than a millisecond.
    private static (long Total, long Used) Look()
    {
        GC.Collect(0);
        GCMemoryInfo now = GC.GetGCMemoryInfo(GCKind.Any);
        return (now.TotalAvailableMemoryBytes, now.MemoryLoadBytes);
    }
}
