using System.Text;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>What every <see cref="IRunStore"/> must do.</summary>
public abstract class RunStoreConformance
{
    protected abstract IRunStore Store { get; }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_object_appears_when_it_is_complete_and_not_before()
    {
        await using (IStoreWriter writer = await Store.CreateAsync("500/~a/model", 6, Token))
        {
            await writer.WriteAsync(3, "def"u8.ToArray(), Token);
            await writer.WriteAsync(0, "abc"u8.ToArray(), Token);
            (await Store.ListAsync("500/~a", Token)).ShouldBeEmpty();
            (await Store.ListAsync("", Token)).ShouldBeEmpty();
            await Should.ThrowAsync<FileNotFoundException>(async () => await Store.OpenReadAsync("500/~a/model", Token));
            await writer.CompleteAsync(Token);
        }
        (await Text("500/~a/model")).ShouldBe("abcdef");
        (await Store.ListAsync("500/~a", Token)).ShouldBe([new("model", false, 6)]);
        (await Store.ListAsync("500", Token)).ShouldBe([new("~a", true, 0)]);
        (await Store.ListAsync("", Token)).ShouldBe([new("500", true, 0)]);
    }

    [Fact]
    public async Task An_object_that_is_given_up_never_was_and_leaves_what_was_there()
    {
        await Store.PutAsync("a/b", "old"u8.ToArray(), Token);
        await using (IStoreWriter writer = await Store.CreateAsync("a/b", 3, Token))
            await writer.WriteAsync(0, "new"u8.ToArray(), Token);
        await using (await Store.CreateAsync("a/c", 3, Token)) { }
        (await Text("a/b")).ShouldBe("old");
        (await Store.ListAsync("a", Token)).ShouldBe([new("b", false, 3)]);
    }

    [Fact]
    public async Task A_copy_within_the_store_outlives_what_it_was_made_of()
    {
        await Store.PutAsync("500/model", "abc"u8.ToArray(), Token);
        if (!await Store.TryCopyAsync("500/model", "510/~a/model", Token))
        {
            (await Store.ListAsync("510/~a", Token)).ShouldBeEmpty("a store that makes no copies leaves nothing");
            return;
        }
        (await Store.ListAsync("510/~a", Token)).ShouldBe([new("model", false, 3)]);
        await Store.PutAsync("500/model", "other"u8.ToArray(), Token);
        (await Text("510/~a/model")).ShouldBe("abc");
        (await Store.TryCopyAsync("500/model", "510/~a/model", Token)).ShouldBeTrue("over one that is there");
        await Store.DeleteAsync("500/model", Token);
        (await Text("510/~a/model")).ShouldBe("other");
        await Should.ThrowAsync<FileNotFoundException>(async () => await Store.TryCopyAsync("500/model", "520/model", Token));
        (await Store.ListAsync("520", Token)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Blocks_may_be_written_from_several_threads()
    {
        byte[] bytes = new byte[1 << 20];
        new Random(5).NextBytes(bytes);
        await using (IStoreWriter writer = await Store.CreateAsync("large", bytes.Length, Token))
        {
            await Parallel.ForAsync(0, 16, Token, async (block, token) => await writer.WriteAsync(block << 16, bytes.AsMemory(block << 16, 1 << 16), token));
            await writer.CompleteAsync(Token);
        }
        await using IStoreReader reader = await Store.OpenReadAsync("large", Token);
        reader.Length.ShouldBe(bytes.Length);
        byte[] read = new byte[bytes.Length];
        await Parallel.ForAsync(0, 16, Token, async (block, token) => (await reader.ReadAsync(block << 16, read.AsMemory(block << 16, 1 << 16), token)).ShouldBe(1 << 16));
        read.ShouldBe(bytes);
    }

    [Fact]
    public async Task Reading_fills_the_buffer_unless_the_object_ends()
    {
        await Store.PutAsync("a", "hello"u8.ToArray(), Token);
        await using IStoreReader reader = await Store.OpenReadAsync("a", Token);
        byte[] bytes = new byte[4];
        (await reader.ReadAsync(3, bytes, Token)).ShouldBe(2);
        bytes[..2].ShouldBe("lo"u8.ToArray());
        (await reader.ReadAsync(9, bytes, Token)).ShouldBe(0);
    }

    [Fact]
    public async Task Of_many_who_put_where_nothing_is_one_succeeds_and_its_content_stands()
    {
        for (int round = 0; round < 10; round++)
        {
            await Store.DeleteAsync("50/50.step", Token);
            bool[] won = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(async () => await Store.TryPutAsync("50/50.step", Encoding.UTF8.GetBytes($"{i:00}"), Token), Token)));
            won.Count(one => one).ShouldBe(1);
            (await Text("50/50.step")).ShouldBe($"{Array.IndexOf(won, true):00}");
        }
        await Store.DeleteAsync("50/50.step", Token);
        (await Store.TryPutAsync("50/50.step", "again"u8.ToArray(), Token)).ShouldBeTrue();
    }

    [Fact]
    public async Task Putting_replaces_as_a_whole()
    {
        await Store.PutAsync("run.json", "a long content"u8.ToArray(), Token);
        await Store.PutAsync("run.json", "short"u8.ToArray(), Token);
        (await Text("run.json")).ShouldBe("short");
        (await Store.ListAsync("", Token)).ShouldBe([new("run.json", false, 5)]);
    }

    [Fact]
    public async Task A_folder_is_gone_with_the_last_object_in_it()
    {
        await Store.PutAsync("a/b/c", "1"u8.ToArray(), Token);
        await Store.PutAsync("a/d", "2"u8.ToArray(), Token);
        await Store.DeleteAsync("a/b/c", Token);
        await Store.DeleteAsync("a/b/c", Token);
        await Store.DeleteAsync("no/thing", Token);
        (await Store.ListAsync("a", Token)).ShouldBe([new("d", false, 1)]);
        await Store.DeleteAsync("a/d", Token);
        (await Store.ListAsync("", Token)).ShouldBeEmpty();
        (await Store.ListAsync("nowhere/at/all", Token)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Objects_are_made_in_a_folder_while_others_in_it_are_removed()
    {
        for (int i = 0; i < 20; i++)
        {
            await Store.PutAsync("f/old", "1"u8.ToArray(), Token);
            await Task.WhenAll(Task.Run(async () => await Store.DeleteAsync("f/old", Token), Token), Task.Run(async () => await Store.PutAsync($"f/new{i}", "2"u8.ToArray(), Token), Token));
            (await Text($"f/new{i}")).ShouldBe("2");
            await Store.DeleteAsync($"f/new{i}", Token);
        }
    }

    private async Task<string> Text(string path)
    {
        await using IStoreReader reader = await Store.OpenReadAsync(path, Token);
        byte[] bytes = new byte[reader.Length];
        (await reader.ReadAsync(0, bytes, Token)).ShouldBe(bytes.Length);
        return Encoding.UTF8.GetString(bytes);
    }
}
