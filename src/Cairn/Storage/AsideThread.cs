namespace Cairn.Storage;

/// <summary>Work that a hanging mount may keep for ever, on a thread of its own: the pool's threads a program may keep busy for seconds.</summary>
internal static class AsideThread
{
    /// <summary>Starts the work, which must not throw.</summary>
    /// <returns>Ends with the work; <see langword="null"/> when there is no room for a thread.</returns>
    public static Task? TryStart(string name, Action work)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            work();
            done.SetResult();
        })
        { Name = name, IsBackground = true };
        try
        {
            thread.Start();
            return done.Task;
        }
        catch (OutOfMemoryException)
        {
            return null;
        }
    }
}
