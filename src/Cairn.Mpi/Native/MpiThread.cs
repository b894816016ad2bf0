using System.Collections.Concurrent;

namespace Cairn.Mpi.Native;

/// <summary>
/// The thread that starts and ends MPI, which MPI wants to be one and the same. The few calls that wait for all ranks are made
/// here, so that nobody has to wait for them longer than wanted.
/// </summary>
internal sealed class MpiThread : IDisposable
{
    private readonly BlockingCollection<Action> _work = [];

    public MpiThread() => new Thread(Work) { IsBackground = true, Name = "Cairn MPI" }.Start();

    /// <summary>Runs it there; false when it has not returned within the time. It then goes on there, and the thread is lost.</summary>
    public bool TryRun(Func<int> call, TimeSpan timeout, out int result)
    {
        TaskCompletionSource<int> done = new();
        _work.Add(() => Finish(done, call));
        bool ended = ((IAsyncResult)done.Task).AsyncWaitHandle.WaitOne(timeout);
        result = ended ? done.Task.GetAwaiter().GetResult() : 0;
        return ended;
    }

    public void Dispose() => _work.CompleteAdding();

    private static void Finish(TaskCompletionSource<int> done, Func<int> call)
    {
        try
        {
            done.SetResult(call());
        }
        catch (Exception e)
        {
            done.SetException(e);
        }
    }

    private void Work()
    {
        foreach (Action work in _work.GetConsumingEnumerable())
            work();
    }
}
