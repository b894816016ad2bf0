using Cairn.Policies;
using Cairn.Tiers;

namespace Cairn.Tests.Tiers;

/// <summary>What is brought to the home next, and what a new copy may replace.</summary>
public class FastCopiesTests
{
    private readonly FastCopies _copies = new(TimeProvider.System);

    [Fact]
    public void Checkpoints_go_first_and_of_snapshots_only_the_newest()
    {
        _copies.Begin([Snapshot(30), Checkpoint(20), Checkpoint(10), Snapshot(25)], [], 0);
        Next().ShouldBe(10);
        Next().ShouldBe(20);
        Next().ShouldBe(30);
        Next().ShouldBeNull();
        _copies.Left.ShouldBe(0);
    }

    [Fact]
    public void A_snapshot_that_the_home_has_something_newer_than_is_not_brought()
    {
        _copies.Begin([Snapshot(30)], [], 40);
        _copies.TakeNext().ShouldBeNull();
        Add(Snapshot(50));
        _copies.Saved(60);
        _copies.TakeNext().ShouldBeNull();
        _copies.Left.ShouldBe(0);
    }

    [Fact]
    public void One_is_brought_at_a_time_and_after_a_refusal_the_home_is_left_alone_for_a_while()
    {
        _copies.Begin([Checkpoint(10), Checkpoint(20)], [], 0);
        _copies.TakeNext()!.Step.ShouldBe(10);
        _copies.TakeNext().ShouldBeNull();
        _copies.Ended(DrainEnd.Failed);
        _copies.IsFailing.ShouldBeTrue();
        _copies.TakeNext().ShouldBeNull();
        _copies.TakeNext(now: true)!.Step.ShouldBe(10);
        _copies.Ended(DrainEnd.Durable);
        _copies.IsFailing.ShouldBeFalse();
        Next().ShouldBe(20);
    }

    [Fact]
    public void What_is_on_its_way_and_what_must_get_there_stays()
    {
        TieredCopy first = Snapshot(10), second = Snapshot(20);
        _copies.Begin([first, second], [], 0);
        _copies.TakeNext().ShouldBe(second);
        _copies.Reserve([[first.Digest, second.Digest]], force: false).ShouldBe([0]);
        _copies.Committed(Checkpoint(30)).ShouldBeEmpty();
        _copies.Reserve([[Checkpoint(30).Digest, second.Digest]], force: false).ShouldBeNull();
        // The checkpoint goes when nothing else may, and its loss is told.
        _copies.Reserve([[Checkpoint(30).Digest, second.Digest]], force: true).ShouldBe([0]);
        _copies.Committed(Checkpoint(40)).ShouldHaveSingleItem().Step.ShouldBe(30);
        _copies.Ended(DrainEnd.Durable);
        _copies.Reserve([[Checkpoint(40).Digest, second.Digest]], force: false).ShouldBe([1]);
    }

    [Fact]
    public void A_copy_that_makes_way_is_not_brought_meanwhile_and_is_again_when_no_new_one_came()
    {
        TieredCopy first = Snapshot(10), second = Snapshot(20);
        _copies.Begin([first, second], [], 0);
        _copies.Reserve([[second.Digest, null]], force: false).ShouldBe([1]);
        _copies.Reserve([[second.Digest]], force: false).ShouldBe([0]);
        _copies.TakeNext().ShouldBeNull();
        _copies.Release();
        _copies.TakeNext().ShouldBe(second);
    }

    [Fact]
    public void Of_several_hosts_none_replaces_the_newest_before_there_is_a_newer_one()
    {
        TieredCopy first = Snapshot(10), second = Snapshot(20);
        _copies.Begin([first, second], [], 0);
        UInt128 torn = 99;
        // On the second host stands what never became whole.
        _copies.Reserve([[first.Digest, second.Digest], [second.Digest, torn]], force: false).ShouldBe([0, 1]);
        _copies.TakeNext().ShouldBe(second);
        _copies.Release();
        _copies.Reserve([[second.Digest], [second.Digest]], force: false).ShouldBeNull();
    }

    [Fact]
    public void While_the_home_is_held_nothing_begins()
    {
        _copies.Begin([Checkpoint(10)], [], 0);
        _copies.TryHold().ShouldBeTrue();
        _copies.TakeNext(now: true).ShouldBeNull();
        _copies.LetGo();
        _copies.TakeNext()!.Step.ShouldBe(10);
        _copies.TryHold().ShouldBeFalse();
    }

    private long? Next()
    {
        long? step = _copies.TakeNext()?.Step;
        _copies.Ended(DrainEnd.Durable);
        return step;
    }

    private void Add(TieredCopy copy)
    {
        _copies.Reserve([[null]], force: false);
        _copies.Committed(copy);
    }

    private static TieredCopy Snapshot(long step) => new((UInt128)step, SaveKind.Snapshot, SaveReason.Snapshot, step);

    private static TieredCopy Checkpoint(long step) => new((UInt128)step, SaveKind.Checkpoint, SaveReason.Interval, step);
}
