namespace Cairn.Stores;

/// <summary>Watches whether the holder of a lock gives a sign of life, where only that can tell whether it still runs.</summary>
internal static class HolderWatch
{
    private const int LooksPerLease = 20;
    private const int FewestLooks = 3;
    // A record is somebody else's data: no wait is as long as it likes.
    private static readonly TimeSpan LongestLease = TimeSpan.FromMinutes(10);

    /// <summary>How long to wait for a sign of life: as long as the holder's lease lasts, or the newcomer's own.</summary>
    public static TimeSpan WaitFor(RunLockHolder? holder, TimeSpan own) =>
        holder is { LeaseSeconds: > 0 } && TimeSpan.FromSeconds(Math.Min(holder.LeaseSeconds, LongestLease.TotalSeconds)) is var told && told > own ? told : own;

    /// <summary>What to tell the user before the wait.</summary>
    public static string Sentence(string root, RunLockHolder? holder, TimeSpan wait) =>
        $"The run '{root}' was locked by {holder?.ToString() ?? "a process that its lock file does not name"} and not released. Waiting up to {wait.TotalSeconds:0.#} s for a sign of life.";

    /// <summary>What to throw when it is held.</summary>
    public static RunLockedException Locked(string root, string path, RunLockHolder? holder) =>
        Refused($"The run '{root}' is being written by {holder?.ToString() ?? "another process"}. Wait for it, stop it, or write to another run.", path, holder);

    /// <summary>What to throw when it cannot be taken.</summary>
    public static RunLockedException Refused(string message, string path, RunLockHolder? holder) => new(message) { Path = path, HolderProcessId = holder?.ProcessId, HolderHost = holder?.Host };

    /// <summary>Whether nothing changes for this long.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="wait">How long.</param>
    /// <param name="look">Whether it is still as it was.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static bool IsUnchanged(TimeProvider time, TimeSpan wait, Func<bool> look, CancellationToken cancellationToken)
    {
        long start = time.GetTimestamp();
        // A process that slept itself, and not the holder, has looked less often than that.
        for (int looks = 0; looks < FewestLooks || time.GetElapsedTime(start) < wait; looks++)
        {
            Task.Delay(wait / LooksPerLease, time, cancellationToken).GetAwaiter().GetResult();
            if (!look())
                return false;
        }
        return true;
    }
}
