using Cairn.Checkpoints;
using Cairn.Ranks;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.Ranks;

public class RankGroupTests
{
    private static readonly World Four = new(2, 1, 2, 2);

    public static IEnumerable<TheoryDataRow<string>> Cases => RankGroupCases.All.Keys.Select(name => new TheoryDataRow<string>(name));

    [Theory]
    [MemberData(nameof(Cases))]
    public void On_threads(string name)
    {
        InProcessRanks job = new(RankGroupCases.Ranks);
        TimeProvider clock = job.Clock;
        job.Run(transport => RankGroupCases.All[name](new RankGroup(transport, Four, clock: clock)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void A_dead_rank_is_named_by_every_rank_that_lives(int dead)
    {
        InProcessRanks job = new(4);
        TimeProvider clock = job.Clock;
        job.Silence(dead);
        job.Run(transport =>
        {
            if (transport.Rank == dead)
                return;
            RankTimeoutException error = Should.Throw<RankTimeoutException>(() => new RankGroup(transport, Four, clock: clock).Barrier("meet", TimeSpan.FromSeconds(0.5)));
            error.Missing.ShouldBe([dead]);
            error.Waited.ShouldBeInRange(TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(0.8));
        });
    }

    [Fact]
    public void A_rank_that_came_earlier_hears_who_is_missing_before_the_first_rank_gives_up()
    {
        InProcessRanks job = new(3);
        TimeProvider clock = job.Clock;
        job.Silence(2);
        job.Run(transport =>
        {
            RankGroup group = new(transport, new World(1, 1, 3, 1), clock: clock);
            if (transport.Rank == 1)
                Should.Throw<RankTimeoutException>(() => group.Barrier("meet", TimeSpan.FromSeconds(2))).Missing.ShouldBe([2]);
            else if (transport.Rank == 0)
                Should.Throw<RankTimeoutException>(() => group.Barrier("meet", TimeSpan.FromSeconds(6))).Missing.ShouldBe([2]);
        });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Time_that_runs_out_between_two_looks_at_the_clock_is_a_time_out(int alive)
    {
        for (int milliseconds = 5; milliseconds <= 60; milliseconds += 5)
        {
            InProcessRanks job = new(2);
            job.Silence(1 - alive);
            FakeTimeProvider clock = new() { AutoAdvanceAmount = TimeSpan.FromMilliseconds(milliseconds) };
            RankGroup group = new(job.Transport(alive), new World(1, 1, 2, 1), clock: clock);
            Should.Throw<RankTimeoutException>(() => group.Barrier("meet", TimeSpan.FromMilliseconds(100), TestContext.Current.CancellationToken)).Missing.ShouldBe([1 - alive]);
        }
    }

    [Fact]
    public void Alone_every_call_returns_at_once()
    {
        RankGroup group = RankGroup.Single;
        CancellationToken stop = TestContext.Current.CancellationToken;
        group.AllGather("names", "me"u8, cancellationToken: stop).ShouldBe([[(byte)'m', (byte)'e']]);
        group.Broadcast("names", "me"u8, cancellationToken: stop).ShouldBe("me"u8.ToArray());
        group.Agree("decide", [1], parts => [(byte)(parts[0].Span[0] + 1)], cancellationToken: stop).ShouldBe([2]);
        group.Barrier("meet", cancellationToken: stop);
        group.Fail("save", "the disk is full");
        group.World.ShouldBe(World.Single);
    }

    [Fact]
    public void A_wait_without_bound_is_refused()
    {
        Should.Throw<ArgumentOutOfRangeException>(() => RankGroup.Single.Barrier("meet", System.Threading.Timeout.InfiniteTimeSpan));
        Should.Throw<ArgumentOutOfRangeException>(() => RankGroup.Single.Barrier("meet", TimeSpan.MaxValue));
    }

    [Fact]
    public void A_world_of_another_size_is_refused() =>
        Should.Throw<CheckpointException>(() => new RankGroup(new InProcessRanks(3).Transport(0), Four));

    [Fact]
    public void Bytes_that_are_no_message_are_refused()
    {
        InProcessRanks job = new(2);
        job.Transport(1).Send(0, [1, 2, 3]);
        Should.Throw<CheckpointException>(() => new RankGroup(job.Transport(0), new World(1, 1, 2, 1)).Barrier("meet")).Message.ShouldContain("Rank 1");
    }
}
