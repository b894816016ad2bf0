using Cairn.Checkpoints;

namespace TinyLm.Tests;

/// <summary>Counts what changes in a run's folder, journal and progress apart: files and folders of copies that come, grow, move and go.</summary>
internal sealed class RunChanges : IDisposable
{
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    readonly string _run;
    readonly int _number;
    readonly Action _then;
    readonly FileSystemWatcher _watcher;
    readonly TaskCompletionSource _came = new(TaskCreationOptions.RunContinuationsAsynchronously);
    int _changes;

    /// <summary>Does something at the change with this number, from 0, on the thread that hears of it.</summary>
    public RunChanges(string run, int number, Action then)
    {
        (_run, _number, _then) = (run, number, then);
        _watcher = new FileSystemWatcher(run)
        {
            IncludeSubdirectories = true,
            InternalBufferSize = 64 << 10,
            NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size,
        };
        _watcher.Created += (_, what) => Count(what.Name);
        _watcher.Changed += (_, what) => Count(what.Name);
        _watcher.Deleted += (_, what) => Count(what.Name);
        _watcher.Renamed += (_, what) => Count(what.Name);
        _watcher.Error += (_, error) => _came.TrySetException(error.GetException());
        _watcher.EnableRaisingEvents = true;
    }

    /// <summary>Waits until it was done.</summary>
    /// <param name="output">What the program under test has printed, for the error.</param>
    public async Task WaitAsync(Func<string> output)
    {
        try
        {
            await _came.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"Change {_number} of {_run} does not come within {Patience}; {_changes} came:\n{output()}", e);
        }
    }

    public void Dispose() => _watcher.Dispose();

    void Count(string? name)
    {
        if (name is null or RunFolder.Journal or RunFolder.Progress || Interlocked.Increment(ref _changes) != _number + 1)
            return;
        _then();
        _came.TrySetResult();
    }
}
