using Microsoft.Win32.SafeHandles;

namespace Cairn.Storage;

/// <summary>
/// The right to write a run, held by one process at a time: the file <c>.lock</c> in the run's folder, locked by the
/// operating system (<c>flock</c>; on Windows, by sharing) and so freed when the process ends in whatever way. Its content is
/// JSON that names the holder; a clean release empties it. On file systems without <c>flock</c> the content alone decides.
/// One process of a job takes it: the first rank.
/// </summary>
public sealed class RunLock : IDisposable
{
    /// <summary>The lock's file in the root.</summary>
    public const string FileName = ".lock";

    private const int MostContent = 4096;

    private SafeFileHandle? _handle;

    private RunLock(SafeFileHandle handle, RunLockHolder holder, RunLockHolder? tookOverFrom)
    {
        _handle = handle;
        Holder = holder;
        TookOverFrom = tookOverFrom;
    }

    /// <summary>This process, as written in the file.</summary>
    public RunLockHolder Holder { get; }

    /// <summary>The process that held the lock before and ended without releasing it; <see langword="null"/> after a clean release.</summary>
    public RunLockHolder? TookOverFrom { get; }

    /// <summary>Takes the lock of the run in this folder, which is made when there is none. Does not wait.</summary>
    /// <exception cref="RunLockedException">Another process, or another manager of this one, holds it.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written.</exception>
    public static RunLock Acquire(LocalFileSystem files, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(time);
        return Acquire(files.Root, time, UnixCalls.Lock);
    }

    /// <summary>As above, with another way to lock a handle: 0 or the error number.</summary>
    internal static RunLock Acquire(string root, TimeProvider time, Func<SafeFileHandle, int> systemLock)
    {
        Directory.CreateDirectory(root);
        string path = Path.Join(root, FileName);
        SafeFileHandle handle = OperatingSystem.IsWindows() ? OpenExclusively(root, path) : RegularFile.OpenReadWrite(path);
        try
        {
            bool content = !OperatingSystem.IsWindows() && !LockUnix(handle, root, path, systemLock);
            byte[] old = ReadContent(handle);
            RunLockHolder? before = RunLockHolder.FromJson(old);
            RunLockHolder self = RunLockHolder.ThisProcess(time);
            if (content)
                CheckContent(root, path, old, before, self);
            Write(handle, self.ToJson());
            if (content && RunLockHolder.FromJson(ReadContent(handle)) is var now && now != self)
                throw Locked(root, path, now);
            return new RunLock(handle, self, before);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Releases the lock and empties the file. The file stays: removing it could remove the lock of a process that just took it.</summary>
    public void Dispose()
    {
        SafeFileHandle? handle = Interlocked.Exchange(ref _handle, null);
        if (handle is null)
            return;
        using (handle)
        {
            try
            {
                Write(handle, []);
            }
            catch (IOException)
            {
                // The lock is freed all the same; the next run reads that this one did not end cleanly.
            }
        }
    }

    private static SafeFileHandle OpenExclusively(string root, string path)
    {
        try
        {
            // Readers are let in, so that the one who is refused can name the holder.
            return File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        }
        catch (IOException) when (File.Exists(path))
        {
            using SafeFileHandle reading = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            throw Locked(root, path, RunLockHolder.FromJson(ReadContent(reading)));
        }
    }

    /// <summary>Locks; <see langword="false"/> when this file system has no locks.</summary>
    private static bool LockUnix(SafeFileHandle handle, string root, string path, Func<SafeFileHandle, int> systemLock)
    {
        int error = systemLock(handle);
        if (error == 0)
            return true;
        if (error == UnixCalls.WouldBlock)
            throw Locked(root, path, RunLockHolder.FromJson(ReadContent(handle)));
        if (error == UnixCalls.CannotLock || error == UnixCalls.NotSupported || error == UnixCalls.NotImplemented)
            return false;
        throw UnixCalls.Failure("flock", path, error);
    }

    private static void CheckContent(string root, string path, byte[] content, RunLockHolder? before, RunLockHolder self)
    {
        if (content.Length == 0)
            return;
        if (before is null)
            throw Refused($"The run '{root}' has a lock file that cannot be read, on a file system without locks. {Removal(path)}", path, null);
        if (before.Host != self.Host)
        {
            throw Refused($"The run '{root}' was locked by {before}, and this file system has no locks that would tell whether that process still runs. {Removal(path)}",
                path, before);
        }
        if (before.IsAlive())
            throw Locked(root, path, before);
    }

    private static string Removal(string path) => $"If no process writes this run any more, remove '{path}' and start again.";

    private static RunLockedException Locked(string root, string path, RunLockHolder? holder) =>
        Refused($"The run '{root}' is being written by {holder?.ToString() ?? "another process"}. Wait for it, stop it, or write to another run.", path, holder);

    private static RunLockedException Refused(string message, string path, RunLockHolder? holder) =>
        new(message) { Path = path, HolderProcessId = holder?.ProcessId, HolderHost = holder?.Host };

    private static byte[] ReadContent(SafeFileHandle handle)
    {
        byte[] content = new byte[Math.Min(RandomAccess.GetLength(handle), MostContent)];
        return content[..RandomAccess.Read(handle, content, 0)];
    }

    private static void Write(SafeFileHandle handle, byte[] content)
    {
        RandomAccess.SetLength(handle, 0);
        RandomAccess.Write(handle, content, 0);
        RandomAccess.FlushToDisk(handle);
    }
}
