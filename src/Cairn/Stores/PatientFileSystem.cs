using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Cairn.Stores;

/// <summary>
/// A store for what training itself reads and writes on the way, such as the journal: no operation keeps the caller waiting for longer than a short time. One that hangs is left to a
/// thread of this object's own, and until it returns all others fail at once; after that they work again.
/// </summary>
/// <param name="inner">The store.</param>
/// <param name="patience">Longest wait for one operation.</param>
internal sealed class PatientFileSystem(IFileSystem inner, TimeSpan patience) : ForwardingFileSystem(inner), IDisposable
{
    private readonly BlockingCollection<Action> _errands = [];
    private readonly Lock _gate = new();
    private Thread? _thread;
    private Task? _underWay;
    private string _what = "";

    public override long? AvailableBytes() => Do("look for free space", Inner.AvailableBytes);
    public override long? AvailableBytes(string folder) => Do($"look for free space in {folder}", () => Inner.AvailableBytes(folder));
    public override long ReclaimableBytes(string folder) => Do($"measure {folder}", () => Inner.ReclaimableBytes(folder));
    public override IReadOnlyList<FileSystemEntry> List(string folder) => Do($"list {folder}", () => Inner.List(folder));
    public override bool FileExists(string path) => Do($"look for {path}", () => Inner.FileExists(path));
    public override bool FolderExists(string path) => Do($"look for {path}", () => Inner.FolderExists(path));
    public override bool CanOverwrite(string path) => Do($"look at {path}", () => Inner.CanOverwrite(path));
    public override void CreateFolder(string path) => Run($"create {path}", () => Inner.CreateFolder(path));
    public override void SyncFolder(string path) => Run($"fsync {path}", () => Inner.SyncFolder(path));
    public override void Move(string from, string to) => Run($"rename {from}", () => Inner.Move(from, to));
    public override void Exchange(string first, string second) => Run($"rename {first}", () => Inner.Exchange(first, second));
    public override void DeleteFile(string path) => Run($"delete {path}", () => Inner.DeleteFile(path));
    public override void DeleteFolder(string path) => Run($"delete {path}", () => Inner.DeleteFolder(path));
    public override IReadableFile OpenRead(string path) => new Readable(this, path, Do($"open {path}", () => Inner.OpenRead(path)));
    public override IWritableFile OpenWrite(string path, long length) => new Writable(this, path, Do($"open {path}", () => Inner.OpenWrite(path, length)));

    public override void Append(string path, ReadOnlySpan<byte> bytes, bool durable)
    {
        byte[] copy = bytes.ToArray();
        Run($"append to {path}", () => Inner.Append(path, copy, durable));
    }

    /// <summary>Runs what belongs to the store and is no file of it, with the same patience.</summary>
    /// <exception cref="IOException">It did not return in time, or an operation before it still has not.</exception>
    private void Run(string what, Action operation) => Do(what, () =>
    {
        operation();
        return true;
    });

    /// <summary>Ends the thread, as soon as it is free.</summary>
    public void Dispose() => _errands.CompleteAdding();

    private T Do<T>(string what, Func<T> operation)
    {
        lock (_gate)
        {
            if (_underWay is { IsCompleted: false })
                throw Hangs();
            var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
            if (!Hand(() => Complete(done, operation)))
                return operation();
            (_underWay, _what) = (done.Task, what);
            bool isDone;
            try
            {
                isDone = done.Task.Wait(patience);
            }
            catch (AggregateException e)
            {
                ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
                throw;
            }
            return isDone ? done.Task.Result : throw Hangs();
        }
    }

    private IOException Hangs() => new($"{Root} does not answer: '{_what}' has not returned. Training does not wait for it.");

    private static void Complete<T>(TaskCompletionSource<T> done, Func<T> operation)
    {
        try
        {
            done.SetResult(operation());
        }
        catch (Exception e)
        {
            done.SetException(e);
        }
    }

    private bool Hand(Action errand)
    {
        if (_errands.IsAddingCompleted)
            return false;
        if (_thread is null)
        {
            var thread = new Thread(() =>
            {
                foreach (Action next in _errands.GetConsumingEnumerable())
                    next();
            })
            { Name = "Cairn journal", IsBackground = true };
            try
            {
                thread.Start();
            }
            catch (Exception e) when (e is OutOfMemoryException or ThreadStartException)
            {
                return false;
            }
            _thread = thread;
        }
        _errands.Add(errand);
        return true;
    }

    private sealed class Readable(PatientFileSystem owner, string path, IReadableFile file) : IReadableFile
    {
        public long Length => owner.Do($"look at {path}", () => file.Length);

        public int Read(long offset, Span<byte> destination)
        {
            // Not into the caller's memory: a read that hangs may end when that is something else.
            byte[] bytes = new byte[destination.Length];
            int read = owner.Do($"read {path}", () => file.Read(offset, bytes));
            bytes.AsSpan(0, read).CopyTo(destination);
            return read;
        }

        public void Dispose() => owner.Run($"close {path}", file.Dispose);
    }

    private sealed class Writable(PatientFileSystem owner, string path, IWritableFile file) : IWritableFile
    {
        public void Write(ReadOnlySpan<byte> bytes)
        {
            byte[] copy = bytes.ToArray();
            owner.Run($"write {path}", () => file.Write(copy));
        }

        public void Sync() => owner.Run($"fsync {path}", file.Sync);
        public void Dispose() => owner.Run($"close {path}", file.Dispose);
    }
}
