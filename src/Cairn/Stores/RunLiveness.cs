namespace Cairn.Stores;

/// <summary>Whether a process trains a run now, as its lock tells.</summary>
/// <param name="Holder">The process that the lock names; <see langword="null"/> after a clean end.</param>
/// <param name="IsAlive">Whether it is at work; <see langword="null"/> when it is on another machine, so that nobody here can know.</param>
internal sealed record RunLiveness(RunLockHolder? Holder, bool? IsAlive)
{
    private const int LargestLock = 4096;

    public static RunLiveness Of(IFileSource files)
    {
        RunLockHolder? holder = null;
        try
        {
            if (files is StoreFiles store)
                holder = StoreLease.HolderOf(store);
            else if (files.FileExists(RunLock.FileName))
                holder = RunLockHolder.FromJson(SmallFile.Read(files, RunLock.FileName, LargestLock));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CheckpointException)
        {
            // On Windows the holder may keep it from being read: then it is at work.
            return new RunLiveness(null, true);
        }
        if (holder is null or { IsReleased: true })
            return new RunLiveness(null, false);
        return new RunLiveness(holder, holder.IsOfThisMachine ? holder.IsAlive() : null);
    }
}
