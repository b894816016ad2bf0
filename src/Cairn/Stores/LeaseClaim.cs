using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>
/// This process's record under a name of its own, and the way to put it in the place of a lock file's content so that of many processes, on whatever
/// hosts, one wins; no <c>flock</c> is needed. Whoever wants to replace a record first takes the name of its successor, <c>.lock.after-</c> and the
/// record's token, which only one can make; then looks again whether the record still stands; and only then renames its own record over it. As a token
/// never comes again, one who was slow replaces nothing that he did not read.
/// </summary>
internal sealed class LeaseClaim : IDisposable
{
    private const string Prefix = RunLock.FileName + ".";
    private const int DeepestSuccession = 8;
    private static readonly TimeSpan Forgotten = TimeSpan.FromHours(1);

    // Tokens of this process. A record of this process that is not among them was let go of.
    private static readonly ConcurrentDictionary<string, bool> Live = new(StringComparer.Ordinal);

    private readonly string _root, _path, _token;
    private readonly byte[] _content;
    private SafeFileHandle? _handle;

    /// <param name="root">The run's folder.</param>
    /// <param name="self">This process, with the token.</param>
    /// <param name="systemLock">Locks a handle: 0 or the error number. The file is locked before anybody else can see it as the lock.</param>
    public LeaseClaim(string root, RunLockHolder self, Func<SafeFileHandle, int> systemLock)
    {
        _root = root;
        _content = self.ToJson();
        _token = self.Token!;
        Remember(_token);
        _path = Path.Join(root, $"{Prefix}claim-{self.Token}");
        try
        {
            _handle = RegularFile.OpenReadWrite(_path);
        }
        catch
        {
            Forget(_token);
            throw;
        }
        try
        {
            RandomAccess.SetLength(_handle, 0);
            RandomAccess.Write(_handle, _content, 0);
            RandomAccess.FlushToDisk(_handle);
            // Whether that works here does not matter: what the file says decides as well.
            _ = systemLock(_handle);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Whether a token is that of a claim or a lock of this process.</summary>
    public static bool IsLive(string token) => Live.ContainsKey(token);

    /// <summary>Says that a token is that of a lock of this process.</summary>
    public static void Remember(string token) => Live[token] = true;

    /// <summary>Says that the lock of a token was let go of.</summary>
    public static void Forget(string token) => Live.TryRemove(token, out _);

    /// <summary>Puts the record in the place of what was read at this path; <see langword="null"/> stands for a path at which nothing was.</summary>
    /// <param name="path">The lock file.</param>
    /// <param name="old">What is replaced.</param>
    /// <param name="mayReplace">Whether a rival that does the same has ended, by its record and where that stands; asked when one is in the way.</param>
    /// <returns>The record's file, open, or <see langword="null"/> when somebody else was first.</returns>
    public SafeFileHandle? TakePlaceOf(string path, LockReading? old, Func<LockReading, string, bool> mayReplace)
    {
        if (!Succeed(path, old, mayReplace, 0))
            return null;
        SafeFileHandle handle = _handle!;
        // What could have come between the last look and the rename is a process that was stopped in there for longer than a lease.
        if (FileStatus.At(path)?.IsSameFile(FileStatus.Of(handle, path)) != true)
            return null;
        _handle = null;
        RemoveForgotten();
        return handle;
    }

    /// <summary>Removes the record if it did not become the lock.</summary>
    public void Dispose()
    {
        if (_handle is not { } handle)
            return;
        _handle = null;
        Forget(_token);
        handle.Dispose();
        Remove(_path);
    }

    private bool Succeed(string path, LockReading? old, Func<LockReading, string, bool> mayReplace, int depth)
    {
        string successor = Path.Join(_root, $"{Prefix}after-{old?.Id ?? "none"}");
        if (!Make(successor))
        {
            // A rival is at it now, or ended in the middle of it.
            if (LockReading.At(successor) is not { } rival || depth == DeepestSuccession || !mayReplace(rival, successor) || !SucceedRival(successor, rival, mayReplace, depth))
                return false;
        }
        try
        {
            if (LockReading.At(path)?.Id != old?.Id)
                return false;
            UnixCalls.Rename(_path, path);
            return true;
        }
        finally
        {
            Remove(successor);
        }
    }

    // The rival's name is taken over as the lock's is, with a copy: the record itself is still needed.
    private bool SucceedRival(string successor, LockReading rival, Func<LockReading, string, bool> mayReplace, int depth)
    {
        using var copy = new LeaseClaim(_root, RunLockHolder.FromJson(_content)! with { Token = Guid.NewGuid().ToString("N") }, static _ => UnixCalls.NotSupported);
        return copy.Succeed(successor, rival, mayReplace, depth + 1);
    }

    /// <summary>Takes a name that nobody has; <see langword="false"/> when somebody has it.</summary>
    private bool Make(string name)
    {
        int error = UnixCalls.Link(_path, name);
        if (error == 0)
            return true;
        // The answer of a network file system may have been lost, and the call made twice.
        if (FileStatus.At(name)?.IsSameFile(FileStatus.Of(_handle!, _path)) == true)
            return true;
        if (error == UnixCalls.Exists)
            return false;
        // No hard links here.
        try
        {
            using SafeFileHandle made = File.OpenHandle(name, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
            RandomAccess.Write(made, _content, 0);
            RandomAccess.FlushToDisk(made);
            return true;
        }
        catch (IOException) when (File.Exists(name))
        {
            return false;
        }
    }

    // Left by processes that ended in the middle of a claim. None of them can do harm any more.
    private void RemoveForgotten()
    {
        try
        {
            DateTime before = File.GetLastWriteTimeUtc(Path.Join(_root, RunLock.FileName)) - Forgotten;
            foreach (string left in Directory.EnumerateFiles(_root, Prefix + "*"))
            {
                if (File.GetLastWriteTimeUtc(left) < before)
                    Remove(left);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // They take no room, and the next start tries again.
        }
    }

    private static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // As above.
        }
    }
}
