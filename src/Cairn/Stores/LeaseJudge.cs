namespace Cairn.Stores;

/// <summary>What a lock file's content says about its holder.</summary>
internal enum LeaseStanding
{
    /// <summary>Nobody holds the lock.</summary>
    Free,
    /// <summary>Somebody does.</summary>
    Held,
    /// <summary>Only the heartbeat can tell: the holder runs elsewhere, or the content cannot be understood.</summary>
    Unknown,
    /// <summary>Nothing can tell: a record without heartbeats, of another host, on a file system without locks.</summary>
    Undecidable,
}

/// <summary>Judges a lock by its content. Processes of this machine are looked up at once; all others are known by their heartbeat alone.</summary>
internal static class LeaseJudge
{
    /// <param name="reading">The lock.</param>
    /// <param name="isLocked">Whether the system granted this process its lock on that file: then no process of this kernel that uses the same mount holds it.</param>
    /// <param name="isOurs">Whether a token is that of a lock which this process holds.</param>
    public static LeaseStanding Judge(LockReading reading, bool isLocked, Func<string, bool> isOurs)
    {
        if (reading.Holder is not { } holder)
            return reading.Content.Length == 0 && isLocked ? LeaseStanding.Free : LeaseStanding.Unknown;
        if (holder.IsReleased)
            return LeaseStanding.Free;
        if (holder.Token is not { } token)
            return OfOldFormat(holder, isLocked);
        if (isOurs(token))
            return LeaseStanding.Held;
        if (!holder.IsOfThisMachine)
            return LeaseStanding.Unknown;
        // One that this process let go of, when the file could not be written.
        if (holder.ProcessId == Environment.ProcessId && holder.IsAlive())
            return LeaseStanding.Free;
        if (!holder.IsAlive())
            return LeaseStanding.Free;
        return isLocked ? LeaseStanding.Unknown : LeaseStanding.Held;
    }

    private static LeaseStanding OfOldFormat(RunLockHolder holder, bool isLocked) =>
        isLocked || (holder.IsOfThisMachine && !holder.IsAlive()) ? LeaseStanding.Free : holder.IsOfThisMachine ? LeaseStanding.Held : LeaseStanding.Undecidable;
}
