namespace Cairn.Hosting;

/// <summary>One thread for the whole of a training, which keeps no process alive.</summary>
internal static class TrainingThread
{
    /// <summary>Runs it there.</summary>
    /// <returns>Ends with it, and fails with what it throws.</returns>
    public static Task RunAsync(Action training)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            try
            {
                training();
                ended.SetResult();
            }
            // Whatever it is belongs to the host, which has its rule for it.
            catch (Exception e)
            {
                ended.SetException(e);
            }
        })
        {
            Name = "Cairn training",
            IsBackground = true,
        }.Start();
        return ended.Task;
    }
}
