using Cairn.Stores;

namespace Cairn.Tests.Stores;

public class StoreFileWriterTests
{
    const int Block = 8, Blocks = 8;

    static CancellationToken Token => TestContext.Current.CancellationToken;

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

    // The store answers none of them before it has been asked for all.
    [Fact]
    public async Task Eight_blocks_of_an_object_are_under_way_at_once()
    {
        var asked = new CountdownEvent(Blocks);
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var store = new AnsweringStore(async () =>
        {
            if (asked.Signal())
                all.SetResult();
            await all.Task;
        });
        await Task.Run(() => Write(store), Token);
        store.Inner.Objects["model"].ShouldBe([.. Enumerable.Range(0, Block * Blocks).Select(number => (byte)number)]);
    }

    [Fact]
    public void An_object_of_which_a_block_failed_is_not_completed()
    {
        int calls = 0;
        var store = new AnsweringStore(() => Interlocked.Increment(ref calls) == 3 ? throw new IOException("The store did not answer.") : Task.CompletedTask);
        Should.Throw<IOException>(() => Write(store));
        store.Inner.Objects.ShouldBeEmpty();
        store.Inner.Changes.ShouldNotContain(change => change.Change == StoreChange.Complete);
    }

    [Fact]
    public async Task What_is_given_up_is_closed_only_when_none_of_its_blocks_is_under_way()
    {
        var asked = new ManualResetEventSlim();
        var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var store = new AnsweringStore(() =>
        {
            asked.Set();
            return answer.Task;
        });
        var writer = new StoreFileWriter(store, "model", Block);
        writer.Write(0, new byte[Block]);
        asked.Wait(Token);
        var closing = Task.Run(writer.Dispose, Token);
        closing.IsCompleted.ShouldBeFalse();
        answer.SetResult();
        await closing;
        store.Inner.Changes.ShouldContain(change => change.Change == StoreChange.Write);
    }

    static void Write(IRunStore store)
    {
        using var writer = new StoreFileWriter(store, "model", Block * Blocks);
        for (int block = 0; block < Blocks; block++)
            writer.Write(block * Block, [.. Enumerable.Range(block * Block, Block).Select(number => (byte)number)]);
        writer.Sync();
    }

    sealed class AnsweringStore(Func<Task> answer) : IRunStore
    {
        public MemoryRunStore Inner { get; } = new();

        public string Root => Inner.Root;

        public ValueTask<IReadOnlyList<FileSystemEntry>> ListAsync(string folder, CancellationToken cancellationToken = default) => Inner.ListAsync(folder, cancellationToken);

        public ValueTask<IStoreReader> OpenReadAsync(string path, CancellationToken cancellationToken = default) => Inner.OpenReadAsync(path, cancellationToken);

        public async ValueTask<IStoreWriter> CreateAsync(string path, long length, CancellationToken cancellationToken = default) =>
            new Writer(await Inner.CreateAsync(path, length, cancellationToken), answer);

        public ValueTask PutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) => Inner.PutAsync(path, content, cancellationToken);

        public ValueTask<bool> TryPutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) => Inner.TryPutAsync(path, content, cancellationToken);

        public ValueTask DeleteAsync(string path, CancellationToken cancellationToken = default) => Inner.DeleteAsync(path, cancellationToken);

        sealed class Writer(IStoreWriter inner, Func<Task> answer) : IStoreWriter
        {
            public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
            {
                await answer();
                await inner.WriteAsync(offset, bytes, cancellationToken);
            }

            public ValueTask CompleteAsync(CancellationToken cancellationToken = default) => inner.CompleteAsync(cancellationToken);

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }
}
