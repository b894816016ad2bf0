namespace Cairn.Stores;

/// <summary>
/// The right to write a run in a store that has no locks. The object <c>.lock</c> names the holder and is put only where there is none, or in the place of one that has ended; the heartbeat is an object
/// of the holder's own, <c>.lock.beat-</c> and its token, so that one who wakes late overwrites nothing of another. Of many who want to follow the same holder, one may: the one who puts
/// <c>.lock.after-</c> and that holder's token where nothing is.
/// </summary>
internal sealed class StoreLease : HeartbeatLease
{
    private const int MostTries = 100;
    private const int LargestRecord = 64 << 10;

    private readonly IRunStore _store;
    private readonly StoreFiles _files;

    private StoreLease(IRunStore store, TimeProvider time, RunLockHolder holder, RunLockHolder? tookOverFrom, Action<string>? lost) : base(holder, tookOverFrom, time, lost)
    {
        (_store, _files) = (store, new StoreFiles(store));
        Start();
    }

    protected override string Place => RunLock.FileName;

    protected override string OtherwiseLost => $"somebody removed '{RunLock.FileName}'";

    /// <summary>Takes the right; waits only for a heartbeat of a holder that cannot be looked up from here.</summary>
    /// <param name="store">The run.</param>
    /// <param name="time">The clock.</param>
    /// <param name="duration">Time without a heartbeat after which others may take this one over.</param>
    /// <param name="waiting">Called before a wait, with a sentence for the user.</param>
    /// <param name="lost">Called once, from any thread, when it was lost.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="RunLockedException">Another process, or another manager of this one, has it.</exception>
    /// <exception cref="IOException">The store refuses.</exception>
    public static StoreLease Acquire(IRunStore store, TimeProvider time, TimeSpan duration, Action<string>? waiting, Action<string>? lost, CancellationToken cancellationToken)
    {
        var files = new StoreFiles(store);
        for (int tries = 0; tries < MostTries; tries++)
        {
            Record? old = Read(files, RunLock.FileName);
            if (old is not null && !HasEnded(store, files, old, time, duration, waiting, cancellationToken))
                continue;
            RunLockHolder? dead = old is null || BeatOf(files, old) is { Holder.IsReleased: true } ? null : old.Holder;
            RunLockHolder self = RunLockHolder.ThisProcess(time) with { Token = Guid.NewGuid().ToString("N"), Fence = (old?.Holder?.Fence ?? 0) + 1, LeaseSeconds = duration.TotalSeconds };
            LeaseClaim.Remember(self.Token);
            try
            {
                if (TakePlaceOf(store, files, old, self, time, duration, cancellationToken))
                    return new StoreLease(store, time, self, dead, lost);
            }
            catch
            {
                LeaseClaim.Forget(self.Token);
                throw;
            }
            LeaseClaim.Forget(self.Token);
        }
        throw Locked(store, Read(files, RunLock.FileName)?.Holder);
    }

    /// <summary>Who has the right, by the last heartbeat, which also says whether it was let go of; <see langword="null"/> when nobody ever had it.</summary>
    /// <exception cref="IOException">The store refuses.</exception>
    public static RunLockHolder? HolderOf(StoreFiles files) => Read(files, RunLock.FileName) is { } record ? BeatOf(files, record)?.Holder ?? record.Holder : null;

    protected override void Write(RunLockHolder record)
    {
        byte[] beat = record.ToJson();
        StoreCall.Wait(() => _store.PutAsync(BeatPath(Token), beat));
    }

    protected override string? FindLoss()
    {
        RunLockHolder? now = Read(_files, RunLock.FileName)?.Holder;
        return now?.Token == Token ? null : now is null ? $"The lock of the run '{_store.Root}' was removed" : $"The run '{_store.Root}' was taken over by {now}";
    }

    // False when it is another record now.
    private static bool HasEnded(IRunStore store, StoreFiles files, Record old, TimeProvider time, TimeSpan duration, Action<string>? waiting, CancellationToken cancellationToken)
    {
        if (old.Holder is { Token: { } token } holder)
        {
            if (BeatOf(files, old) is { Holder.IsReleased: true })
                return true;
            if (LeaseClaim.IsLive(token))
                throw Locked(store, holder);
            if (holder.IsOfThisMachine)
            {
                // One that this process let go of without being able to say so.
                return !holder.IsAlive() || holder.ProcessId == Environment.ProcessId ? true : throw Locked(store, holder);
            }
        }
        TimeSpan wait = HolderWatch.WaitFor(old.Holder, duration);
        waiting?.Invoke(HolderWatch.Sentence(store.Root, old.Holder, wait));
        byte[]? beat = BeatOf(files, old)?.Bytes;
        return HolderWatch.IsUnchanged(
            time,
            wait,
            () =>
            {
                if (Read(files, RunLock.FileName) is not { } now || !now.Bytes.AsSpan().SequenceEqual(old.Bytes))
                    return false;
                Record? next = BeatOf(files, old);
                if (beat.AsSpan().SequenceEqual(next?.Bytes))
                    return true;
                // One that ends while it is watched is not waited for any longer.
                return next is { Holder.IsReleased: true } ? false : throw Locked(store, old.Holder);
            },
            cancellationToken);
    }

    private static bool TakePlaceOf(IRunStore store, StoreFiles files, Record? old, RunLockHolder self, TimeProvider time, TimeSpan duration, CancellationToken cancellationToken)
    {
        byte[] record = self.ToJson();
        if (old is null)
        {
            // Whatever the store says of it: what it has counts.
            _ = StoreCall.Wait(() => store.TryPutAsync(RunLock.FileName, record, cancellationToken));
            return IsOurs(files, self);
        }
        string claim = $"{RunLock.FileName}.after-{old.Holder?.Token ?? "unknown"}";
        if (!StoreCall.Wait(() => store.TryPutAsync(claim, record, cancellationToken)))
        {
            // A rival is at it, or ended in the middle of it: then its claim stands there for as long as a lease lasts.
            if (Read(files, claim) is { } rival && HolderWatch.IsUnchanged(time, duration, () => Read(files, claim) is { } now && now.Bytes.AsSpan().SequenceEqual(rival.Bytes), cancellationToken))
                StoreCall.Wait(() => store.DeleteAsync(claim, cancellationToken));
            return false;
        }
        try
        {
            if (Read(files, RunLock.FileName) is not { } now || !now.Bytes.AsSpan().SequenceEqual(old.Bytes))
                return false;
            StoreCall.Wait(() => store.PutAsync(RunLock.FileName, record, cancellationToken));
        }
        finally
        {
            StoreCall.Wait(() => store.DeleteAsync(claim, CancellationToken.None));
        }
        if (!IsOurs(files, self))
            return false;
        if (old.Holder?.Token is { } dead)
            StoreCall.Wait(() => store.DeleteAsync(BeatPath(dead), cancellationToken));
        return true;
    }

    private static bool IsOurs(StoreFiles files, RunLockHolder self) => Read(files, RunLock.FileName)?.Holder?.Token == self.Token;

    private static string BeatPath(string token) => $"{RunLock.FileName}.beat-{token}";

    private static Record? BeatOf(StoreFiles files, Record record) => record.Holder?.Token is { } token && StorePath.IsName(BeatPath(token)) ? Read(files, BeatPath(token)) : null;

    private static Record? Read(StoreFiles files, string path)
    {
        try
        {
            byte[] bytes = SmallFile.Read(files, path, LargestRecord);
            return new Record(bytes, RunLockHolder.FromJson(bytes));
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    private static RunLockedException Locked(IRunStore store, RunLockHolder? holder) => HolderWatch.Locked(store.Root, RunLock.FileName, holder);

    private sealed record Record(byte[] Bytes, RunLockHolder? Holder);
}
