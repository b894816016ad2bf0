using Cairn.Stores;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.Stores;

public class StoreLeaseTests
{
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(30);

    private readonly MemoryRunStore _store = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
    private string? _lost;

    [Fact]
    public void A_second_manager_is_refused_and_told_who_holds_it()
    {
        using StoreLease held = Acquire();
        RunLockedException refused = Should.Throw<RunLockedException>(Acquire);
        refused.HolderProcessId.ShouldBe(Environment.ProcessId);
        refused.HolderHost.ShouldBe(Environment.MachineName);
    }

    [Fact]
    public void A_clean_release_lets_the_next_one_in_and_the_fence_grows()
    {
        StoreLease first = Acquire();
        first.Dispose();
        using StoreLease second = Acquire();
        second.TookOverFrom.ShouldBeNull();
        second.Fence.ShouldBe(first.Fence + 1);
        (second.Token == first.Token).ShouldBeFalse();
        _store.Objects.Keys.ShouldHaveSingleItem("nothing is left of the one before").ShouldBe(RunLock.FileName);
    }

    [Fact]
    public void A_dead_process_of_this_machine_is_followed_at_once()
    {
        RunLockHolder dead = Write(int.MaxValue - 1, Environment.MachineName);
        using StoreLease held = Acquire();
        held.TookOverFrom!.Token.ShouldBe(dead.Token);
        held.Fence.ShouldBe(8);
    }

    [Fact]
    public async Task A_holder_elsewhere_that_gives_no_sign_of_life_is_followed_after_the_leases_duration()
    {
        Write(4242, "elsewhere");
        using StoreLease held = await Waited(Task.Run(Acquire));
        held.TookOverFrom!.Host.ShouldBe("elsewhere");
    }

    [Fact]
    public async Task A_holder_elsewhere_whose_heart_beats_is_respected()
    {
        RunLockHolder other = Write(4242, "elsewhere");
        int beats = 0;
        Task<StoreLease> newcomer = Task.Run(Acquire);
        await Should.ThrowAsync<RunLockedException>(() => Waited(newcomer, () => Put($"{RunLock.FileName}.beat-{other.Token}", (other with { Beat = ++beats }).ToJson())));
    }

    [Fact]
    public async Task A_holder_elsewhere_that_ends_while_it_is_watched_lets_the_next_one_in()
    {
        RunLockHolder other = Write(4242, "elsewhere");
        string beat = $"{RunLock.FileName}.beat-{other.Token}";
        bool hasEnded = false;
        using StoreLease held = await Waited(Task.Run(Acquire), () =>
        {
            // Once the newcomer has looked again.
            if (hasEnded || _store.Opened.Count(path => path == beat) < 3)
                return;
            Put(beat, (other with { Beat = 1, IsReleased = true }).ToJson());
            hasEnded = true;
        });
        hasEnded.ShouldBeTrue();
        held.Fence.ShouldBe(other.Fence + 1);
        held.TookOverFrom.ShouldBeNull();
    }

    [Fact]
    public async Task Of_many_who_follow_a_dead_holder_one_gets_it()
    {
        Write(int.MaxValue - 1, Environment.MachineName);
        StoreLease?[] all = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run<StoreLease?>(() =>
        {
            try
            {
                return Acquire();
            }
            catch (RunLockedException)
            {
                return null;
            }
        })).Select(one => Waited(one, null)));
        StoreLease winner = all.Where(one => one is not null).ShouldHaveSingleItem()!;
        winner.Check();
        winner.Dispose();
    }

    [Fact]
    public void One_that_lost_it_finds_out_before_anything_gets_its_name()
    {
        using StoreLease held = Acquire();
        held.Check();
        RunLockHolder other = Write(4242, "elsewhere");
        Should.Throw<RunLockLostException>(held.Check).Message.ShouldContain("elsewhere");
        held.IsLost.ShouldBeTrue();
        _lost.ShouldNotBeNull();
        // What wakes late overwrites nothing of the new holder.
        _time.Advance(Duration);
        held.Dispose();
        RunLockHolder.FromJson(_store.Objects[RunLock.FileName]).ShouldBe(other);
        _store.Objects.ContainsKey($"{RunLock.FileName}.beat-{other.Token}").ShouldBeFalse();
    }

    [Fact]
    public void The_heart_beats()
    {
        using StoreLease held = Acquire();
        _time.Advance(Duration / 2);
        RunLockHolder.FromJson(_store.Objects[$"{RunLock.FileName}.beat-{held.Token}"])!.Beat.ShouldBePositive();
    }

    [Fact]
    public async Task A_store_that_hangs_does_not_keep_the_holder_from_ending()
    {
        StoreLease held = Acquire();
        var answer = new TaskCompletionSource();
        _store.Before = (_, _) => new(answer.Task);
        Task<bool> ended = Task.Run(() =>
        {
            held.Dispose();
            return true;
        }, TestContext.Current.CancellationToken);
        (await Waited(ended).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken)).ShouldBeTrue();
        answer.SetResult();
    }

    [Fact]
    public async Task A_lock_that_cannot_be_understood_is_followed_after_a_wait()
    {
        Put(RunLock.FileName, "not a lock"u8.ToArray());
        (await Waited(Task.Run(Acquire))).Dispose();
    }

    // The clock moves whenever somebody waits on it.
    private async Task<T> Waited<T>(Task<T> acquired, Action? beat = null)
    {
        while (!acquired.IsCompleted)
        {
            beat?.Invoke();
            _time.Advance(TimeSpan.FromSeconds(1));
            await Task.WhenAny(acquired, Task.Delay(1, TestContext.Current.CancellationToken));
        }
        return await acquired;
    }

    private StoreLease Acquire() => StoreLease.Acquire(_store, _time, Duration, null, text => _lost = text, TestContext.Current.CancellationToken);

    private RunLockHolder Write(int process, string host)
    {
        var holder = new RunLockHolder(process, host, _time.GetUtcNow().AddYears(-1), "train", _time.GetUtcNow().AddDays(-1)) { Token = Guid.NewGuid().ToString("N"), Fence = 7, LeaseSeconds = Duration.TotalSeconds };
        Put(RunLock.FileName, holder.ToJson());
        return holder;
    }

    private void Put(string path, byte[] content) => StoreCall.Wait(() => _store.PutAsync(path, content));
}
