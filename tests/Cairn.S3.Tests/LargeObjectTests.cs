using Amazon.S3.Model;
using Cairn.Stores;

namespace Cairn.S3.Tests;

public sealed class LargeObjectTests(ObjectGateway gateway)
{
    private const int Block = S3Parts.BlockBytes;
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(Block, 5 * Block)]
    [InlineData(Block, 5 * Block + 1)]
    [InlineData(2 * Block, 7 * Block - 1)]
    [InlineData(4 * Block, 3 * Block)]
    public async Task Blocks_come_in_any_order_and_from_many_threads(int partBytes, int length)
    {
        S3StoreOptions options = gateway.Options;
        options.PartBytes = partBytes;
        await using var store = new S3RunStore(ObjectGateway.NewAddress(), options);
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        int[] blocks = [.. Enumerable.Range(0, (length + Block - 1) / Block)];
        new Random(7).Shuffle(blocks);
        await using (IStoreWriter writer = await store.CreateAsync("500/~a/model", length, Token))
        {
            await Parallel.ForEachAsync(blocks, Token, async (block, token) => await writer.WriteAsync((long)block * Block, bytes.AsMemory(block * Block, Math.Min(Block, length - block * Block)), token));
            (await store.ListAsync("500/~a", Token)).ShouldBeEmpty();
            await writer.CompleteAsync(Token);
        }
        (await store.ListAsync("500/~a", Token)).ShouldBe([new("model", false, length)]);
        (await Objects.ReadAsync(store, "500/~a/model", Token)).AsSpan().SequenceEqual(bytes).ShouldBeTrue();
    }

    [Theory]
    [InlineData(3 * Block)]
    [InlineData(2 * Block + 1)]
    public async Task A_large_object_is_copied_within_the_service_in_parts(int length)
    {
        await using var store = new S3RunStore(ObjectGateway.NewAddress(), gateway.Options) { LargestCopy = Block };
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        await using (IStoreWriter writer = await store.CreateAsync("500/~a/model", length, Token))
        {
            for (int start = 0; start < length; start += Block)
                await writer.WriteAsync(start, bytes.AsMemory(start, Math.Min(Block, length - start)), Token);
            await writer.CompleteAsync(Token);
        }
        (await store.TryCopyAsync("500/~a/model", "510/~b/model", Token)).ShouldBeTrue();
        await store.DeleteAsync("500/~a/model", Token);
        (await Objects.ReadAsync(store, "510/~b/model", Token)).AsSpan().SequenceEqual(bytes).ShouldBeTrue();
        (await UploadsAsync(store)).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_object_of_which_a_block_is_missing_is_not_completed()
    {
        await using S3RunStore store = gateway.NewStore();
        await using IStoreWriter writer = await store.CreateAsync("model", 2 * Block, Token);
        await writer.WriteAsync(Block, new byte[Block], Token);
        (await Should.ThrowAsync<InvalidOperationException>(async () => await writer.CompleteAsync(Token))).Message.ShouldContain("not all written");
    }

    [Fact]
    public async Task What_is_given_up_leaves_no_upload_behind()
    {
        await using S3RunStore store = gateway.NewStore();
        await using (IStoreWriter writer = await store.CreateAsync("model", 2 * Block, Token))
        {
            await writer.WriteAsync(0, new byte[Block], Token);
            (await UploadsAsync(store)).ShouldBe(["model"]);
        }
        (await UploadsAsync(store)).ShouldBeEmpty();
    }

    [Fact]
    public async Task The_start_of_a_run_ends_the_uploads_of_a_dead_process_and_no_others()
    {
        await using S3RunStore store = gateway.NewStore(), below = new(store.Address.At(store.Address.Prefix + "/evaluation"), gateway.Options);
        await using IStoreWriter dead = await store.CreateAsync("500/~a/model", 2 * Block, Token);
        await dead.WriteAsync(0, new byte[Block], Token);
        await using IStoreWriter live = await below.CreateAsync("500/~b/model", 2 * Block, Token);
        await using (CheckpointManager run = await CheckpointManager.StartAsync(new CheckpointOptions { Store = store, HandleSignals = false }, new TrainState(), [new Program.Counting(1)], cancellationToken: Token))
            (await UploadsAsync(store)).ShouldBe(["evaluation/500/~b/model"]);
        // Should it not be dead after all, it does no harm, and hears of it.
        (await Should.ThrowAsync<IOException>(async () => await dead.WriteAsync(Block, new byte[Block], Token))).Message.ShouldContain("aborted");
    }

    [Fact]
    public async Task An_object_that_is_replaced_while_it_is_read_is_an_error_and_no_mixture()
    {
        await using S3RunStore store = gateway.NewStore();
        await store.PutAsync("a", "old one"u8.ToArray(), Token);
        await using IStoreReader reader = await store.OpenReadAsync("a", Token);
        byte[] bytes = new byte[3];
        await reader.ReadAsync(0, bytes, Token);
        await store.PutAsync("a", "new one"u8.ToArray(), Token);
        (await Should.ThrowAsync<IOException>(async () => await reader.ReadAsync(3, bytes, Token))).Message.ShouldContain("was replaced while it was read");
        await store.DeleteAsync("a", Token);
        await Should.ThrowAsync<FileNotFoundException>(async () => await reader.ReadAsync(3, bytes, Token));
    }

    [Fact]
    public async Task A_folder_of_more_objects_than_a_page_holds_is_listed_whole_and_without_what_stands_deeper()
    {
        await using S3RunStore store = gateway.NewStore();
        const int Count = 1100;
        await Parallel.ForAsync(0, Count, Token, async (i, token) => await store.PutAsync($"f/{i:D4}", default, token));
        await Parallel.ForAsync(0, 3, Token, async (i, token) => await store.PutAsync($"f/sub/{i}", default, token));
        IReadOnlyList<FileSystemEntry> found = await store.ListAsync("f", Token);
        found.Count(entry => !entry.IsFolder).ShouldBe(Count);
        found.Where(entry => entry.IsFolder).ShouldBe([new("sub", true, 0)]);
    }

    private async Task<string[]> UploadsAsync(S3RunStore store)
    {
        using var client = gateway.NewClient();
        string prefix = store.Address.Prefix + "/";
        ListMultipartUploadsResponse found = await client.ListMultipartUploadsAsync(new ListMultipartUploadsRequest { BucketName = ObjectGateway.Bucket, Prefix = prefix }, Token);
        return [.. (found.MultipartUploads ?? []).Select(upload => upload.Key[prefix.Length..])];
    }
}
