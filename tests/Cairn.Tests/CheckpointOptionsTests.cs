using Cairn.Policies;

namespace Cairn.Tests;

public class CheckpointOptionsTests
{
    [Fact]
    public void Snapshots_come_five_times_as_often_as_checkpoints_by_default()
    {
        SaveSchedule schedule = new CheckpointOptions().CreateSchedule();
        schedule.CheckpointPolicy.Describe.ShouldBe("every 1000 steps");
        schedule.SnapshotPolicy.Describe.ShouldBe("every 200 steps");
        new CheckpointOptions { CheckpointEvery = 3 }.CreateSchedule().SnapshotPolicy.Describe.ShouldBe("every step");
    }

    [Fact]
    public void Zero_or_no_interval_means_no_snapshots_by_steps()
    {
        new CheckpointOptions { SnapshotEvery = 0 }.CreateSchedule().SnapshotPolicy.Describe.ShouldBe("never");
        new CheckpointOptions { CheckpointEvery = null }.CreateSchedule().SnapshotPolicy.Describe.ShouldBe("never");
    }

    [Fact]
    public void Steps_and_time_both_make_a_checkpoint_due() =>
        new CheckpointOptions { CheckpointInterval = TimeSpan.FromHours(1) }.CreateSchedule()
            .CheckpointPolicy.Describe.ShouldBe("every 1000 steps or every 01:00:00");

    [Fact]
    public void Without_a_rule_every_checkpoint_stays() => new CheckpointOptions().CreateRetention().ShouldBeSameAs(Retention.KeepAll);

    [Fact]
    public void The_budget_limits_what_the_other_rules_keep() =>
        new CheckpointOptions { KeepLast = 3, KeepEvery = 5000, KeepBest = 2, KeepBestMetric = "loss", KeepWithinBytes = 1000 }
            .CreateRetention().Describe.ShouldBe("the last 3 and every multiple of 5000 steps and the best 2 by lowest loss, within 1000 bytes");

    [Fact]
    public void The_defaults_give_no_warning() => new CheckpointOptions { TotalSteps = 100_000 }.Warnings().ShouldBeEmpty();

    [Fact]
    public void A_snapshot_interval_that_is_not_smaller_is_warned_of() =>
        new CheckpointOptions { CheckpointEvery = 100, SnapshotEvery = 100 }.Warnings().ShouldHaveSingleItem().ShouldContain("not smaller");

    [Fact]
    public void A_budget_that_has_no_effect_is_warned_of()
    {
        new CheckpointOptions { SnapshotStallBudget = 0.05 }.Warnings().ShouldHaveSingleItem().ShouldContain("SnapshotEvery = auto");
        new CheckpointOptions { SnapshotStallBudget = 0.05, SnapshotEvery = CheckpointOptions.Auto }.Warnings().ShouldBeEmpty();
    }

    [Fact]
    public void Intervals_longer_than_the_run_are_warned_of()
    {
        IReadOnlyList<string> warnings = new CheckpointOptions { TotalSteps = 50, CheckpointEvery = 1000, SnapshotEvery = 60 }.Warnings();
        warnings.Count.ShouldBe(2);
        warnings[0].ShouldContain("no snapshot");
        warnings[1].ShouldContain("the final checkpoint will still be written");
    }
}
