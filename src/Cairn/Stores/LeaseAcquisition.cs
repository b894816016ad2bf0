using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>Takes a run's lock: looks at the system's lock and at the content, waits for a heartbeat where only that can tell, and claims.</summary>
/// <param name="root">The run's folder.</param>
/// <param name="time">The clock.</param>
/// <param name="lease">The lease's duration.</param>
/// <param name="systemLock">Locks a handle: 0 or the error number. Only "somebody has it" is an answer; any other error means that there are no locks here.</param>
/// <param name="waiting">Called before a wait.</param>
/// <param name="lost">For the lock.</param>
internal sealed class LeaseAcquisition(string root, TimeProvider time, TimeSpan lease, Func<SafeFileHandle, int> systemLock, Action<string>? waiting = null, Action<string>? lost = null)
{
    private const int MostTries = 100;

    private readonly string _path = Path.Join(root, RunLock.FileName);

    public RunLock Acquire(CancellationToken cancellationToken = default)
    {
        Directory.CreateDirectory(root);
        if (OperatingSystem.IsWindows())
            return OnWindows();
        for (int tries = 0; tries < MostTries; tries++)
        {
            if (Try(cancellationToken) is { } taken)
                return taken;
        }
        throw Locked(LockReading.At(_path)?.Holder);
    }

    // Null when the file changed meanwhile.
    private RunLock? Try(CancellationToken cancellationToken)
    {
        using SafeFileHandle? standing = OpenStanding();
        LockReading? old = null;
        if (standing is not null)
        {
            int error = systemLock(standing);
            if (FileStatus.At(_path)?.IsSameFile(FileStatus.Of(standing, _path)) != true)
                return null;
            old = LockReading.Of(standing, _path);
            if (error == UnixCalls.WouldBlock)
                throw Locked(old.Holder);
            if (!IsLeft(old, _path, isLocked: error == 0, cancellationToken))
                return null;
        }
        RunLockHolder self = Self((old?.Holder?.Fence ?? 0) + 1);
        using var claim = new LeaseClaim(root, self, systemLock);
        SafeFileHandle? handle = claim.TakePlaceOf(_path, old, (rival, path) => IsLeft(rival, path, isLocked: false, cancellationToken));
        if (handle is null)
            return LockReading.At(_path) is { Holder: { IsReleased: false } winner } now && now.Id != old?.Id ? throw Locked(winner) : null;
        return new RunLock(root, handle, self, old?.Holder is { IsReleased: false } dead ? dead : null, time, systemLock, lost);
    }

    private SafeFileHandle? OpenStanding()
    {
        try
        {
            return RegularFile.OpenForUpdate(_path);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    // True when the holder has gone, false when the file is another one now; an exception while it is held.
    private bool IsLeft(LockReading reading, string path, bool isLocked, CancellationToken cancellationToken)
    {
        switch (LeaseJudge.Judge(reading, isLocked, LeaseClaim.IsLive))
        {
            case LeaseStanding.Free:
                return true;
            case LeaseStanding.Held:
                throw Locked(reading.Holder);
            case LeaseStanding.Undecidable:
                throw Refused($"The run '{root}' was locked by {reading.Holder}, which gives no heartbeats, and this file system has no locks that would tell whether that process still runs. "
                    + $"If no process writes this run any more, remove '{_path}' and start again.", reading.Holder);
            default:
                return IsSilent(reading, path, cancellationToken);
        }
    }

    private bool IsSilent(LockReading reading, string path, CancellationToken cancellationToken)
    {
        TimeSpan wait = HolderWatch.WaitFor(reading.Holder, lease);
        waiting?.Invoke(HolderWatch.Sentence(root, reading.Holder, wait));
        return HolderWatch.IsUnchanged(
            time,
            wait,
            () =>
            {
                LockReading? now = LockReading.At(path);
                if (reading.IsUnchanged(now))
                    return true;
                // Its next heartbeat; what is torn belongs to one that is being written.
                if (now is not null && (now.Holder is null ? now.Content.Length > 0 : now.Holder.Token == reading.Holder?.Token && !now.Holder.IsReleased))
                    throw Locked(now.Holder ?? reading.Holder);
                return false;
            },
            cancellationToken);
    }

    private RunLockHolder Self(long fence) => RunLockHolder.ThisProcess(time) with
    {
        Token = Guid.NewGuid().ToString("N"),
        Fence = fence,
        LeaseSeconds = lease.TotalSeconds,
        BeatTime = time.GetUtcNow(),
    };

    // Sharing is exclusive there, on network drives too, and an open file cannot be removed: the content only tells who it is.
    private RunLock OnWindows()
    {
        SafeFileHandle handle = OpenExclusively();
        try
        {
            RunLockHolder? before = RunLockHolder.FromJson(LockReading.ReadContent(handle));
            RunLockHolder self = Self((before?.Fence ?? 0) + 1);
            RandomAccess.SetLength(handle, 0);
            RandomAccess.Write(handle, self.ToJson(), 0);
            RandomAccess.FlushToDisk(handle);
            return new RunLock(root, handle, self, before is { IsReleased: false } ? before : null, time, systemLock, lost);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    private SafeFileHandle OpenExclusively()
    {
        try
        {
            // Readers are let in, so that the one who is refused can name the holder.
            return File.OpenHandle(_path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        }
        catch (IOException) when (File.Exists(_path))
        {
            using SafeFileHandle reading = File.OpenHandle(_path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            throw Locked(RunLockHolder.FromJson(LockReading.ReadContent(reading)));
        }
    }

    private RunLockedException Locked(RunLockHolder? holder) => HolderWatch.Locked(root, _path, holder);

    private RunLockedException Refused(string message, RunLockHolder? holder) => HolderWatch.Refused(message, _path, holder);
}
