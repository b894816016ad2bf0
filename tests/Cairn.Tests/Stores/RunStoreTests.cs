using Cairn.Stores;

namespace Cairn.Tests.Stores;

public class MemoryRunStoreTests : RunStoreConformance
{
    protected override IRunStore Store { get; } = new MemoryRunStore();
}

public sealed class LocalRunStoreTests : RunStoreConformance, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    protected override IRunStore Store => field ??= new LocalRunStore(new LocalFileSystem(_folder["run"]));

    public void Dispose() => _folder.Dispose();
}

public class StoreCallTests
{
    // A program may train in a task of a scheduler of its own, and a store go on wherever it was called.
    [Fact]
    public async Task A_call_is_waited_for_on_a_scheduler_that_runs_one_task_at_a_time()
    {
        Task<int> called = Task.Factory.StartNew(
            static () => StoreCall.Wait(static async ValueTask<int> () =>
            {
                await Task.Yield();
                return 1;
            }), TestContext.Current.CancellationToken, TaskCreationOptions.None, new ConcurrentExclusiveSchedulerPair().ExclusiveScheduler);
        (await called.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken)).ShouldBe(1);
    }
}
