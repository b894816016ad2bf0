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

public class StoreFileWriterTests
{
    [Theory, InlineData(0), InlineData(1), InlineData(20 << 20)]
    public void An_object_is_there_when_it_is_synced_and_not_before(int length)
    {
        var store = new MemoryRunStore();
        byte[] bytes = new byte[length];
        new Random(7).NextBytes(bytes);
        using (var file = new StoreFileWriter(store, "x/y", length))
        {
            using (var writer = new SequentialWriter(file, length))
            {
                writer.Write(bytes);
                writer.Complete();
            }
            new StoreFiles(store).FileExists("x/y").ShouldBeFalse();
            file.Sync();
        }
        using IReadableFile written = new StoreFiles(store).OpenRead("x/y");
        byte[] read = new byte[length];
        written.Read(0, read).ShouldBe(length);
        read.AsSpan().SequenceEqual(bytes).ShouldBeTrue();
    }
}
