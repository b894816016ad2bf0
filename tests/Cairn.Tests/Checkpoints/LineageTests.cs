using Cairn.Checkpoints;

namespace Cairn.Tests.Checkpoints;

public class LineageTests
{
    [Fact]
    public void The_first_branch_contains_every_step_it_wrote() => Lineage.New.Contains(0, 500).ShouldBeTrue();

    [Fact]
    public void Abandoned_steps_do_not_belong_to_the_new_branch()
    {
        Lineage forked = Lineage.New.Fork(250);
        forked.Contains(0, 250).ShouldBeTrue();
        forked.Contains(0, 251).ShouldBeFalse();
        forked.Contains(1, 500).ShouldBeTrue();
    }

    [Fact]
    public void A_branch_from_a_step_before_the_fork_leaves_the_ancestor_that_wrote_it()
    {
        Lineage twice = Lineage.New.Fork(250).Fork(100, "lr2");
        twice.Current.ShouldBe(new Branch(2, "lr2", 0, 100));
        twice.Contains(1, 300).ShouldBeFalse();
        twice.Contains(0, 101).ShouldBeFalse();
        twice.Contains(0, 100).ShouldBeTrue();
    }

    [Fact]
    public void A_step_that_a_later_fork_left_behind_stays_behind()
    {
        Lineage nested = Lineage.New.Fork(250).Fork(400);
        nested.Contains(1, 400).ShouldBeTrue();
        nested.Contains(1, 401).ShouldBeFalse();
        nested.Contains(0, 300).ShouldBeFalse();
    }

    [Fact]
    public void A_fork_keeps_the_name_unless_it_is_given_one() => Lineage.New.Fork(5).Current.Name.ShouldBe("main");

    [Fact]
    public void A_history_with_a_circle_or_a_gap_is_refused()
    {
        Should.Throw<ArgumentException>(() => new Lineage([new Branch(0, "main", 0, 0)], 0));
        Should.Throw<ArgumentException>(() => new Lineage([new Branch(1, "main", 0, 0)], 1));
        Should.Throw<ArgumentException>(() => new Lineage([new Branch(0, "main", null, 0)], 1));
    }
}
