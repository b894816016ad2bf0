namespace Cairn.Stores;

/// <summary>Work that a hanging mount may keep for ever, on a thread of its own: the pool's threads a program may keep busy for seconds.</summary>
internal static class AsideThread
{
    /// <summary>Starts the work, which must not throw.</summary>
    /// <param name="name">The thread's name.</param>
    /// <param name="work">The work.</param>
    /// <param name="ended">Ends with the work.</param>
    /// <returns>Whether there was room for a thread.</returns>
    public static bool TryStart(string name, Action work, out Task ended)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            work();
            done.SetResult();
        })
        { Name = name, IsBackground = true };
        ended = done.Task;
        try
        {
            thread.Start();
            return true;
        }
        catch (Exception e) when (e is OutOfMemoryException or ThreadStartException)
        {
            return false;
        }
    }
}
