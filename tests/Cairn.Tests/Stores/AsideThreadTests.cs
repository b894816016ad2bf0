using System.Collections.Concurrent;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

public class AsideThreadTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Short_work_one_after_the_other_takes_few_threads()
    {
        var threads = new ConcurrentDictionary<Thread, int>();
        for (int i = 0; i < 1000; i++)
            await AsideThread.Run("work", () => threads.AddOrUpdate(Thread.CurrentThread, 1, static (_, count) => count + 1));
        threads.Values.Sum().ShouldBe(1000);
        // Other tests take resting threads, too.
        threads.Count.ShouldBeLessThan(200);
    }

    [Fact]
    public async Task Work_that_hangs_keeps_its_thread_and_no_other_work()
    {
        using var answer = new ManualResetEventSlim();
        Task[] hanging = [.. Enumerable.Range(0, 50).Select(_ => AsideThread.Run("hangs", () => answer.Wait(Token)))];
        for (int i = 0; i < 100; i++)
            await AsideThread.Run("goes on", static () => { });
        hanging.ShouldAllBe(task => !task.IsCompleted);
        answer.Set();
        await Task.WhenAll(hanging);
    }

    [Fact]
    public async Task A_thread_has_the_name_and_the_context_of_the_work_that_it_does_now()
    {
        var local = new AsyncLocal<int>();
        var seen = new ConcurrentBag<(string?, int)>();
        for (int i = 1; i <= 100; i++)
        {
            local.Value = i;
            string name = $"work {i}";
            await AsideThread.Run(name, () => seen.Add((Thread.CurrentThread.Name, local.Value)));
        }
        seen.Order().ShouldBe(Enumerable.Range(1, 100).Select(i => ((string?)$"work {i}", i)).Order());
    }

    [Fact]
    public async Task What_work_throws_is_its_own_and_its_thread_goes_on()
    {
        for (int i = 0; i < 100; i++)
        {
            (await Should.ThrowAsync<IOException>(AsideThread.Run("fails", static () => throw new IOException("full")))).Message.ShouldBe("full");
            await AsideThread.Run("works", static () => { });
        }
    }

    [Fact]
    public void A_thread_that_rests_holds_nothing_of_what_it_did()
    {
        WeakReference[] held = [.. Enumerable.Range(0, 20).Select(_ => Do())];
        SpinWait.SpinUntil(() =>
        {
            GC.Collect();
            return held.All(state => !state.IsAlive);
        }, TimeSpan.FromMinutes(1)).ShouldBeTrue();

        static WeakReference Do()
        {
            object state = new byte[100];
            AsideThread.TryStart("work", () => GC.KeepAlive(state), out Task ended).ShouldBeTrue();
            ended.Wait(Token);
            return new WeakReference(state);
        }
    }
}
