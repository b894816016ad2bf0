using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Cairn.Stores;

/// <summary>
/// The files that training itself reads and writes on the way, such as the journal: no operation keeps the caller waiting for longer than a short time. One that hangs is left to a
/// thread of this object's own, and until it returns all others fail at once; after that they work again.
/// </summary>
/// <param name="inner">The store.</param>
/// <param name="patience">Longest wait for one operation.</param>
internal sealed class PatientFiles(IRunFiles inner, TimeSpan patience) : IRunFiles, IDisposable
{
    private readonly BlockingCollection<Action> _errands = [];
    private readonly Lock _gate = new();
    private Thread? _thread;
    private Task? _underWay;
    private string _what = "";

    public string Root => inner.Root;
    public IReadOnlyList<FileSystemEntry> List(string folder) => Do($"list {folder}", () => inner.List(folder));
    public bool FileExists(string path) => Do($"look for {path}", () => inner.FileExists(path));
    public bool FolderExists(string path) => Do($"look for {path}", () => inner.FolderExists(path));
    public IReadableFile OpenRead(string path) => new Readable(this, path, Do($"open {path}", () => inner.OpenRead(path)));
    public void Move(string from, string to) => Run($"rename {from}", () => inner.Move(from, to));
    public void DeleteFile(string path) => Run($"delete {path}", () => inner.DeleteFile(path));

    public void Put(string path, ReadOnlySpan<byte> bytes, bool durable)
    {
        byte[] copy = bytes.ToArray();
        Run($"write {path}", () => inner.Put(path, copy, durable));
    }

    public void Append(string path, ReadOnlySpan<byte> bytes, bool durable)
    {
        byte[] copy = bytes.ToArray();
        Run($"append to {path}", () => inner.Append(path, copy, durable));
    }

    /// <summary>Does something when all before it is done, on the thread on which all is done.</summary>
    public void Later(Action work)
    {
        lock (_gate)
        {
            if (!Hand(work))
                work();
        }
    }

    /// <summary>Waits until all is done that was left for later, as long as for any operation.</summary>
    public void Flush()
    {
        try
        {
            Run("write what is left", static () => { });
        }
        catch (IOException)
        {
            // It does not answer; nobody waits for it.
        }
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

    private sealed class Readable(PatientFiles owner, string path, IReadableFile file) : IReadableFile
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
}
