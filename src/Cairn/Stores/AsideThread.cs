namespace Cairn.Stores;

/// <summary>
/// Work that a hanging mount may keep for ever, on a thread of its own: the pool's threads a program may keep busy for seconds. A thread that has ended its work rests for a moment and
/// takes the next, for a resume or a save of many small files is much work in short pieces.
/// </summary>
internal static class AsideThread
{
    private const int MostResting = 32;

    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(2);
    private static readonly List<Worker> Resting = [];

    /// <summary>Starts the work, which must not throw.</summary>
    /// <param name="name">The thread's name.</param>
    /// <param name="work">The work.</param>
    /// <param name="ended">Ends with the work.</param>
    /// <returns>Whether there was room for a thread.</returns>
    public static bool TryStart(string name, Action work, out Task ended)
    {
        var errand = new Errand(name, work, ExecutionContext.Capture(), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        ended = errand.Done.Task;
        Worker? rested = null;
        lock (Resting)
        {
            if (Resting.Count > 0)
            {
                rested = Resting[^1];
                Resting.RemoveAt(Resting.Count - 1);
            }
        }
        if (rested is not null)
        {
            rested.Take(errand);
            return true;
        }
        try
        {
            Worker.Start(errand);
            return true;
        }
        catch (Exception e) when (e is OutOfMemoryException or ThreadStartException)
        {
            return false;
        }
    }

    /// <summary>Does work aside that may throw: what it throws is the task's. Where there is no room for a thread it is done here.</summary>
    /// <param name="name">The thread's name.</param>
    /// <param name="work">The work.</param>
    public static Task Run(string name, Action work)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!TryStart(name, Do, out _))
            Do();
        return done.Task;

        void Do()
        {
            try
            {
                work();
                done.SetResult();
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        }
    }

    private sealed record Errand(string Name, Action Work, ExecutionContext? Context, TaskCompletionSource Done);

    private sealed class Worker(Errand first)
    {
        private readonly object _call = new();
        private Errand? _next = first;

        public static void Start(Errand first) => new Thread(new Worker(first).Run) { IsBackground = true }.UnsafeStart();

        // Only of one that nobody else can take any more.
        public void Take(Errand errand)
        {
            lock (_call)
            {
                _next = errand;
                Monitor.Pulse(_call);
            }
        }

        private void Run()
        {
            while (true)
            {
                TaskCompletionSource done = Do();
                bool rests;
                lock (Resting)
                {
                    rests = Resting.Count < MostResting;
                    if (rests)
                        Resting.Add(this);
                }
                done.SetResult();
                if (!rests || !IsCalled())
                    return;
            }
        }

        // In a method of its own, so that a resting thread holds nothing of what it did.
        private TaskCompletionSource Do()
        {
            Errand errand = _next!;
            _next = null;
            Thread.CurrentThread.Name = errand.Name;
            if (errand.Context is { } context)
                ExecutionContext.Run(context, static work => ((Action)work!)(), errand.Work);
            else
                errand.Work();
            return errand.Done;
        }

        private bool IsCalled()
        {
            if (HasNext(Rest))
                return true;
            lock (Resting)
            {
                if (Resting.Remove(this))
                    return false;
            }
            // Somebody has just taken it.
            return HasNext(Timeout.InfiniteTimeSpan);
        }

        private bool HasNext(TimeSpan longest)
        {
            lock (_call)
                return _next is not null || Monitor.Wait(_call, longest);
        }
    }
}
