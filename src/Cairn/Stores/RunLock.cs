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
internal sealed class RunLock : ILease
{
    /// <summary>The lock's file in the root.</summary>
    public const string FileName = ".lock";

    /// <summary>Time without a heartbeat after which a lock counts as left, when nothing else is said.</summary>
    public static readonly TimeSpan DefaultLease = TimeSpan.FromSeconds(30);

    private const int BeatsPerLease = 6;
    // What hangs must not keep the process from ending.
    private static readonly TimeSpan LongestRelease = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly string _root, _path;
    private readonly TimeProvider _time;
    private readonly Func<SafeFileHandle, int> _systemLock;
    private readonly Action<string>? _lost;
    private readonly ITimer _timer;
    private SafeFileHandle _handle;
    private long _beat;
    private volatile string? _lostTo;
    private int _disposed;

    internal RunLock(string root, SafeFileHandle handle, RunLockHolder holder, RunLockHolder? tookOverFrom, TimeProvider time, Func<SafeFileHandle, int> systemLock, Action<string>? lost)
    {
        (_root, _path, _handle, _time, _systemLock, _lost) = (root, Path.Join(root, FileName), handle, time, systemLock, lost);
        (Holder, TookOverFrom) = (holder, tookOverFrom);
        TimeSpan between = TimeSpan.FromSeconds(holder.LeaseSeconds) / BeatsPerLease;
        _timer = time.CreateTimer(static self => ((RunLock)self!).Beat(), this, between, between);
    }

    /// <summary>This process, as written in the file when it took the lock.</summary>
    public RunLockHolder Holder { get; }

    /// <summary>The process that held the lock before and ended without releasing it; <see langword="null"/> after a clean release.</summary>
    public RunLockHolder? TookOverFrom { get; }

    /// <summary>Whether another process has taken the lock over. It does not come back.</summary>
    public bool IsLost => _lostTo is not null;

    string ILease.Token => Holder.Token!;

    long ILease.Fence => Holder.Fence;

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

    /// <inheritdoc/>
    void ILease.Check() => Check();

    internal void Check()
    {
        lock (_gate)
            Look();
        if (_lostTo is { } by)
            throw new RunLockLostException(by) { Path = _path };
    }

    /// <summary>Releases the lock. The file stays, with what was written last: removing it could remove the lock of a process that just took it.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _timer.Dispose();
        // On a mount that hangs neither the write nor the close may come back.
        if (AsideThread.TryStart("Cairn lock release", Release, out Task released))
            released.Wait(LongestRelease);
        else
            Release();
        LeaseClaim.Forget(Holder.Token!);
    }

    private void Release()
    {
        lock (_gate)
        {
            using SafeFileHandle handle = _handle;
            try
            {
                // Once it is lost, the file is somebody else's.
                if (_lostTo is null)
                    Write(isReleased: true);
            }
            // Whatever it is: nobody stands above this thread.
            catch (Exception)
            {
                // The lock is freed all the same; the next run reads that this one did not end cleanly.
            }
            if (!OperatingSystem.IsWindows())
                UnixCalls.Unlock(handle);
        }
    }

    private void Beat()
    {
        // One that hangs is enough.
        if (!_gate.TryEnter())
            return;
        try
        {
            if (_disposed != 0 || _lostTo is not null)
                return;
            Look();
            if (_lostTo is null)
                Write(isReleased: false);
        }
        // Whatever it is: nobody stands above this thread.
        catch (Exception)
        {
            // A heartbeat that cannot be written is no reason to end training. Should the lock be lost for it, the next save says so.
        }
        finally
        {
            _gate.Exit();
        }
    }

    // In place and of the same length: that works on a full disk too.
    private void Write(bool isReleased)
    {
        RandomAccess.Write(_handle, (Holder with { Beat = ++_beat, BeatTime = _time.GetUtcNow(), IsReleased = isReleased }).ToJson(), 0);
        RandomAccess.FlushToDisk(_handle);
    }

    // Whether the file at the path is still the one that was locked, and still names this process.
    private void Look()
    {
        if (_lostTo is not null || OperatingSystem.IsWindows())
            return;
        LockReading? now = LockReading.At(_path);
        if (now is not null && now.Holder?.Token == Holder.Token && now.Status.IsSameFile(FileStatus.Of(_handle, _path)))
            return;
        // Removed, or replaced by a copy of itself: nobody has taken the run, and it is still this process's.
        if ((now is null || now.Holder?.Token == Holder.Token) && TakeAgain(now))
            return;
        now = LockReading.At(_path);
        string by = now?.Holder is { IsReleased: false } holder ? $"The run '{_root}' was taken over by {holder}" : $"The lock of the run '{_root}' was taken from this process";
        _lostTo = $"{by}: this one gave no sign of life for {Holder.LeaseSeconds:0.#} s, or '{_path}' was removed or replaced. This process saves nothing any more; stop it, and start the run again once nobody writes it.";
        _lost?.Invoke(_lostTo);
    }

    private bool TakeAgain(LockReading? now)
    {
        using var claim = new LeaseClaim(_root, Holder with { Beat = ++_beat, BeatTime = _time.GetUtcNow() }, _systemLock);
        if (claim.TakePlaceOf(_path, now, static (_, _) => false) is not { } handle)
            return false;
        _handle.Dispose();
        _handle = handle;
        return true;
    }
}
