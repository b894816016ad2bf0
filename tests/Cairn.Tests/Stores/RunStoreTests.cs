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
    public void A_writer_keeps_several_blocks_under_way_and_the_order_of_the_bytes(int length)
    {
        var store = new MemoryRunStore();
        byte[] bytes = new byte[length];
        new Random(7).NextBytes(bytes);
        using (var writer = new StoreFileWriter(store, "x/y", length))
        {
            for (int offset = 0; offset < length; offset += 1_000_003)
                writer.Write(bytes.AsSpan(offset, Math.Min(1_000_003, length - offset)));
            writer.Sync();
        }
        using IReadableFile file = new StoreFiles(store).OpenRead("x/y");
        byte[] read = new byte[length];
        file.Read(0, read).ShouldBe(length);
        read.AsSpan().SequenceEqual(bytes).ShouldBeTrue();
    }
}
