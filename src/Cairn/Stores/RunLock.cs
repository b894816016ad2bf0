using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>
/// The right to write a run, held by one process at a time: the file <c>.lock</c> in the run's folder. It is locked by the operating system where that
/// works (<c>flock</c>; on Windows, by sharing), and its content, JSON that names the holder, is a lease: the holder writes a heartbeat every sixth of
/// the lease's duration. Both must let a newcomer in, for some mounts grant the same <c>flock</c> on two hosts and others have none. A holder on this
/// machine is looked up by its process, so that a restart after a crash is immediate; of any other the newcomer waits for a heartbeat, and takes over
/// when there is none for the lease's duration. A holder that lost the lock, because it slept for that long or somebody removed or replaced the file,
/// finds that out at its next heartbeat and before anything gets its name in the run, and writes no more.
/// One process of a job takes it: the first rank.
/// </summary>
internal sealed class RunLock : HeartbeatLease
{
    /// <summary>The lock's file in the root.</summary>
    public const string FileName = ".lock";

    /// <summary>Time without a heartbeat after which a lock counts as left, when nothing else is said.</summary>
    public static readonly TimeSpan DefaultLease = TimeSpan.FromSeconds(30);

    private readonly string _root, _path;
    private readonly Func<SafeFileHandle, int> _systemLock;
    private SafeFileHandle _handle;

    internal RunLock(string root, SafeFileHandle handle, RunLockHolder holder, RunLockHolder? tookOverFrom, TimeProvider time, Func<SafeFileHandle, int> systemLock, Action<string>? lost)
        : base(holder, tookOverFrom, time, lost)
    {
        (_root, _path, _handle, _systemLock) = (root, Path.Join(root, FileName), handle, systemLock);
        Start();
    }

    protected override string Place => _path;

    protected override string OtherwiseLost => $"'{_path}' was removed or replaced";

    /// <summary>
    /// Takes the lock of the run in this folder, which is made when there is none. Waits only when a process that cannot be looked up from here is written
    /// in it and may still run: for its next heartbeat, or until the lease's duration has passed without one.
    /// </summary>
    /// <param name="files">The run.</param>
    /// <param name="time">The clock.</param>
    /// <param name="lease">Time without a heartbeat after which others may take this lock over; <see cref="DefaultLease"/> by default.</param>
    /// <param name="waiting">Called before a wait, with a sentence for the user.</param>
    /// <param name="lost">Called once, from any thread, when the lock was lost, with a sentence for the user.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="RunLockedException">Another process, or another manager of this one, holds it.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written.</exception>
    public static RunLock Acquire(LocalFileSystem files, TimeProvider time, TimeSpan? lease = null, Action<string>? waiting = null, Action<string>? lost = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(time);
        return new LeaseAcquisition(files.Root, time, lease ?? DefaultLease, UnixCalls.Lock, waiting, lost).Acquire(cancellationToken);
    }

    // In place and of the same length: that works on a full disk too.
    protected override void Write(RunLockHolder record)
    {
        RandomAccess.Write(_handle, record.ToJson(), 0);
        RandomAccess.FlushToDisk(_handle);
    }

    protected override void Free()
    {
        using SafeFileHandle handle = _handle;
        if (!OperatingSystem.IsWindows())
            UnixCalls.Unlock(handle);
    }

    // Whether the file at the path is still the one that was locked, and still names this process.
    protected override string? FindLoss()
    {
        if (OperatingSystem.IsWindows())
            return null;
        LockReading? now = LockReading.At(_path);
        if (now is not null && now.Holder?.Token == Holder.Token && now.Status.IsSameFile(FileStatus.Of(_handle, _path)))
            return null;
        // Removed, or replaced by a copy of itself: nobody has taken the run, and it is still this process's.
        if ((now is null || now.Holder?.Token == Holder.Token) && TakeAgain(now))
            return null;
        now = LockReading.At(_path);
        return now?.Holder is { IsReleased: false } holder ? $"The run '{_root}' was taken over by {holder}" : $"The lock of the run '{_root}' was taken from this process";
    }

    private bool TakeAgain(LockReading? now)
    {
        using var claim = new LeaseClaim(_root, NextBeat(), _systemLock);
        if (claim.TakePlaceOf(_path, now, static (_, _) => false) is not { } handle)
            return false;
        _handle.Dispose();
        _handle = handle;
        return true;
    }
}
