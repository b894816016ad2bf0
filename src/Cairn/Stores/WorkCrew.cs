namespace Cairn.Stores;

/// <summary>Threads of their own that do the same work beside the caller's: the pool's threads a program may keep busy for seconds, and a disk that hangs may keep them for ever.</summary>
internal sealed class WorkCrew : IDisposable
{
    private readonly List<Task> _members = [];

    private WorkCrew() { }

    /// <summary>Starts the threads, or as many of them as the system gives.</summary>
    /// <param name="threads">How many.</param>
    /// <param name="name">The threads' name.</param>
    /// <param name="work">The work, which must not throw.</param>
    public static WorkCrew Start(int threads, string name, Action work)
    {
        var crew = new WorkCrew();
        while (crew._members.Count < threads && AsideThread.TryStart(name, work, out Task ended))
            crew._members.Add(ended);
        return crew;
    }

    /// <summary>Waits until all have ended.</summary>
    public void Dispose() => Task.WaitAll([.. _members]);
}
