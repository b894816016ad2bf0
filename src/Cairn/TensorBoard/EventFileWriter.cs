using System.Collections.Concurrent;

namespace Cairn.TensorBoard;

/// <summary>
/// Writes an event file on a thread of its own: nobody ever waits for the disk. What a disk refuses is kept, within bounds, and written when it takes it again, behind the last whole record: TensorBoard
/// reads no file beyond a record that is damaged.
/// </summary>
internal sealed class EventFileWriter : IDisposable
{
    /// <summary>Bytes that wait for the disk at most; the oldest are given up first.</summary>
    public const int MostWaiting = 1 << 20;

    private const int Capacity = 1024;
    private static readonly TimeSpan LongestEnd = TimeSpan.FromSeconds(5);

    private readonly BlockingCollection<(Scalar[] Points, TaskCompletionSource? Done)> _queue = new(Capacity);
    private readonly Queue<byte[]> _waiting = [];
    private readonly string _folder;
    private readonly long _firstStep;
    private readonly TimeProvider _time;
    private readonly Action<Exception> _problem;
    private readonly Task _writing;
    private int _waitingBytes;
    private string? _path;
    private long _whole;
    private bool _hasFailed;

    /// <param name="folder">Where the file is made; created when it is not there.</param>
    /// <param name="firstStep">The first step that is going to be made: what the folder has of it from before, and of later ones, counts no more.</param>
    /// <param name="time">The clock.</param>
    /// <param name="problem">Hears, on the writing thread, that the file cannot be written; once until it can be again.</param>
    public EventFileWriter(string folder, long firstStep, TimeProvider time, Action<Exception> problem)
    {
        (_folder, _firstStep, _time, _problem) = (folder, firstStep, time, problem);
        // Opens the file.
        _queue.Add(([], null));
        _writing = Task.Factory.StartNew(WriteAll, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Writes points. Never waits and never throws; a disk that hangs for long loses some.</summary>
    public void Add(Scalar[] points)
    {
        if (points.Length > 0 && !_queue.IsAddingCompleted)
            _queue.TryAdd((points, null));
    }

    /// <summary>Waits until all is written that was added, for at most five seconds.</summary>
    public void Flush()
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!_queue.IsAddingCompleted && _queue.TryAdd(([], done)))
            done.Task.Wait(LongestEnd);
    }

    /// <summary>Writes what is left, for at most five seconds.</summary>
    public void Dispose()
    {
        _queue.CompleteAdding();
        Task.WaitAny([_writing], LongestEnd);
    }

    private void WriteAll()
    {
        foreach ((Scalar[] points, TaskCompletionSource? done) in _queue.GetConsumingEnumerable())
        {
            try
            {
                Keep(EventRecord.Scalars(points));
                Write();
                _hasFailed = false;
            }
            // On a thread of its own nobody else would hear of it.
            catch (Exception e)
            {
                if (!_hasFailed)
                    _problem(e);
                _hasFailed = true;
            }
            done?.TrySetResult();
        }
    }

    private void Keep(byte[] records)
    {
        _waiting.Enqueue(records);
        _waitingBytes += records.Length;
        while (_waitingBytes > MostWaiting)
            _waitingBytes -= _waiting.Dequeue().Length;
    }

    private void Write()
    {
        using FileStream file = Open();
        // Also when the disk took the file's name before, and nothing more.
        if (_whole == 0)
        {
            DateTimeOffset now = _time.GetUtcNow();
            byte[] head = [.. EventRecord.FileVersion(now), .. EventRecord.Start(now, _firstStep)];
            file.Write(head);
            _whole = head.Length;
        }
        while (_waiting.TryPeek(out byte[]? records))
        {
            file.Write(records);
            _whole += records.Length;
            _waitingBytes -= _waiting.Dequeue().Length;
        }
    }

    // Opened anew each time: a file that was taken away meanwhile is begun again.
    private FileStream Open()
    {
        if (_path is not null && new FileInfo(_path) is { Exists: true } known && known.Length >= _whole)
        {
            FileStream file = Open(_path, FileMode.Open);
            file.SetLength(_whole);
            file.Position = _whole;
            return file;
        }
        Directory.CreateDirectory(_folder);
        string name = EventFileName.After(_time.GetUtcNow(), Directory.EnumerateFiles(_folder).Select(path => Path.GetFileName(path)), $"{Environment.MachineName}.{Environment.ProcessId}.cairn");
        FileStream made = Open(Path.Join(_folder, name), FileMode.CreateNew);
        (_path, _whole) = (made.Name, 0);
        return made;
    }

    private static FileStream Open(string path, FileMode mode) => new(path, mode, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
}
