using System.Runtime.ExceptionServices;

namespace Cairn.Stores;

/// <summary>Threads of their own that do the same work beside the caller's: the pool's threads a program may keep busy for seconds, and a disk that hangs may keep them for ever.</summary>
internal sealed class WorkCrew
{
    private readonly Func<bool> _next;
    private ExceptionDispatchInfo? _fault;

    private WorkCrew(Func<bool> next) => _next = next;

    /// <summary>Lets threads do one piece of work after the other, the caller's among them, or as many of them as the system gives. Ends when all have ended.</summary>
    /// <param name="threads">How many, the caller's among them.</param>
    /// <param name="name">The name of the others.</param>
    /// <param name="next">Does the next piece; <see langword="false"/> when there is none. The first error ends the work of all, and is thrown.</param>
    public static void Run(int threads, string name, Func<bool> next)
    {
        var crew = new WorkCrew(next);
        var others = new List<Task>();
        while (others.Count < threads - 1 && AsideThread.TryStart(name, crew.Work, out Task ended))
            others.Add(ended);
        crew.Work();
        Task.WaitAll(others);
        crew._fault?.Throw();
    }

    private void Work()
    {
        try
        {
            while (Volatile.Read(ref _fault) is null && _next())
            {
            }
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref _fault, ExceptionDispatchInfo.Capture(e), null);
        }
    }
}
