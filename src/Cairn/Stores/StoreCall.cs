namespace Cairn.Stores;

/// <summary>Waits for a store on a thread that may wait: a writer's, or one that opens copies.</summary>
internal static class StoreCall
{
    /// <summary>Waits for a call and gives its result.</summary>
    public static T Wait<T>(Func<ValueTask<T>> call) =>
        // Where continuations have to come back to this very thread, it cannot wait for them.
        SynchronizationContext.Current is null && TaskScheduler.Current == TaskScheduler.Default ? call().AsTask().GetAwaiter().GetResult() : Task.Run(() => call().AsTask()).GetAwaiter().GetResult();

    /// <summary>Waits for a call.</summary>
    public static void Wait(Func<ValueTask> call) => Wait(async () =>
    {
        await call().ConfigureAwait(false);
        return true;
    });
}
