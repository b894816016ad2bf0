using Cairn.Policies;
using CsCheck;

namespace Cairn.Advice.Tests;

public class CheckpointPlanTests
{
    private const long Gigabyte = 1_000_000_000;

    private static readonly PlanRequest Short = new() { TotalSteps = 500, StepTime = TimeSpan.FromSeconds(1), StateBytes = Gigabyte, WriteRate = Gigabyte };

    [Fact]
    public void What_will_exist_at_the_end_is_what_the_schedule_and_the_retention_leave()
    {
        CheckpointPlan plan = CheckpointPlan.Of(Short, new CheckpointOptions { CheckpointEvery = 100, SnapshotEvery = 30, KeepLast = 2 });
        plan.Forecast.AtEnd.ShouldBe([
            new PlannedCopy(500, SaveKind.Checkpoint, SaveReason.Final), new PlannedCopy(480, SaveKind.Snapshot, SaveReason.Snapshot),
            new PlannedCopy(450, SaveKind.Snapshot, SaveReason.Snapshot), new PlannedCopy(400, SaveKind.Checkpoint, SaveReason.Interval)]);
        (plan.Forecast.Checkpoints, plan.Forecast.Snapshots).ShouldBe((5, 15));
        plan.Forecast.BytesWritten.ShouldBe(20 * (Int128)Gigabyte);
    }

    [Theory]
    [InlineData(1000, 0L, PlanTrap.IntervalLongerThanRun, true, "Use at most 250")]
    [InlineData(100, 600L, PlanTrap.IntervalLongerThanRun, true, "there is no snapshot")]
    [InlineData(300, 0L, PlanTrap.FinalStepOffGrid, false, "saved anyway")]
    [InlineData(100, 1L, PlanTrap.OverBudget, true, "more than the budget")]
    public void A_trap_is_named_with_what_to_do(long checkpoint, long snapshot, PlanTrap trap, bool harmful, string says)
    {
        PlanWarning warning = Warning(Short, new CheckpointOptions { CheckpointEvery = checkpoint, SnapshotEvery = snapshot }, trap);
        warning.IsHarmful.ShouldBe(harmful);
        warning.Message.ShouldContain(says);
    }

    // Bytes of a copy in GB, seconds of a step, GB/s of the disk, percent of the time, whether training goes on meanwhile.
    [Theory]
    [InlineData(98, 1.2, 2, 1, true, 809)]
    [InlineData(1, 1, 1, 1, true, 20)]
    [InlineData(1, 1, 0.1, 5, true, 10)]
    [InlineData(0.01, 1, 1, 1, true, 1)]
    [InlineData(1, 1, 1, 2, false, 49)]
    public void The_interval_that_results_is_the_one_that_the_run_then_has(double size, double step, double rate, double percent, bool asynchronous, long steps)
    {
        PlanRequest request = Short with { TotalSteps = 20_000, StateBytes = (long)(size * Gigabyte), StepTime = TimeSpan.FromSeconds(step), WriteRate = rate * Gigabyte, CopyRate = 10e9, Asynchronous = asynchronous };
        request = size == 1 ? request with { CopyRate = 5e9 } : request;
        CheckpointPlan plan = CheckpointPlan.Of(request, new CheckpointOptions { CheckpointEvery = 20_000, SnapshotEvery = CheckpointOptions.Auto, SnapshotStallBudget = percent / 100, Asynchronous = asynchronous });
        plan.Continuous.ShouldNotBeNull().Steps.ShouldBe(steps);
        // Training waits at the first without having earned it, and the last one is not in the way of the end.
        ((double)plan.Forecast.Snapshots).ShouldBeInRange(20_000.0 / (steps + 1) - 2, 20_000.0 / steps + 1);
        plan.Forecast.Overhead.ShouldBeLessThan(percent / 100 + (request.Stall + request.DurableAfter) / plan.Forecast.Duration);
        plan.Forecast.Dropped.ShouldBe(0);
        plan.Forecast.Queued.ShouldBe(TimeSpan.Zero);
    }

    [Fact]
    public void Checkpoints_that_use_up_the_budget_of_continuous_snapshots_are_a_trap()
    {
        var options = new CheckpointOptions { CheckpointEvery = 10, SnapshotEvery = CheckpointOptions.Auto };
        Warning(Short, options, PlanTrap.OverBudget).Message.ShouldContain("Checkpoints alone take 1.92 % of the time, more than SnapshotStallBudget allows for all saves (1 %)");
        CheckpointPlan.Of(Short, new CheckpointOptions { CheckpointEvery = 100, SnapshotEvery = CheckpointOptions.Auto }).Warnings.ShouldBeEmpty();
    }

    [Fact]
    public void Continuous_snapshots_that_the_budget_makes_rare_are_a_trap() =>
        Warning(Short with { TotalSteps = 50_000, StateBytes = 40 * Gigabyte, Asynchronous = false }, new CheckpointOptions { CheckpointEvery = 5000, SnapshotEvery = CheckpointOptions.Auto, Asynchronous = false }, PlanTrap.SnapshotsTooRare)
            .Message.ShouldBe("About 1h 6m pass from one snapshot to the next, and that much work is lost by a failure: training waits 40.0s for each, and SnapshotStallBudget allows 1 % of the time. Every half hour would take 2.17 %, and much less in the background (Asynchronous).");

    [Fact]
    public void Snapshots_rarer_than_half_an_hour_are_a_trap() =>
        Warning(Short with { StepTime = TimeSpan.FromMinutes(1) }, new CheckpointOptions { CheckpointEvery = 250, SnapshotEvery = 50 }, PlanTrap.SnapshotsTooRare)
            .Message.ShouldContain("at most 30");

    [Fact]
    public void Snapshots_faster_than_the_disk_are_dropped_as_the_run_would_drop_them()
    {
        PlanRequest slow = Short with { WriteRate = Gigabyte / 10 };
        CheckpointPlan plan = CheckpointPlan.Of(slow, new CheckpointOptions { CheckpointEvery = 500, SnapshotEvery = 4 });
        plan.Warnings.ShouldContain(warning => warning.Trap == PlanTrap.FasterThanDisk);
        // 10 s to write, one due every 4 s: every third comes through.
        plan.Forecast.Snapshots.ShouldBe(42);
        plan.Forecast.Dropped.ShouldBe(124 - 42);
    }

    [Fact]
    public void Space_that_runs_out_is_named_by_the_step()
    {
        // Two snapshots and two checkpoints stand; the third checkpoint is the fifth copy.
        PlanRequest narrow = Short with { SpaceLimit = 4 * Gigabyte + 1 };
        Warning(narrow, new CheckpointOptions { CheckpointEvery = 100, SnapshotEvery = 40 }, PlanTrap.SpaceRunsOut).Message.ShouldContain("at step 240");
        CheckpointPlan.Of(narrow with { SpaceLimit = 5 * Gigabyte }, new CheckpointOptions { CheckpointEvery = 100, SnapshotEvery = 40, KeepLast = 2 }).Warnings.ShouldNotContain(warning => warning.Trap == PlanTrap.SpaceRunsOut);
    }

    [Fact]
    public void Saving_switched_off_saves_nothing_and_says_so()
    {
        CheckpointPlan plan = CheckpointPlan.Of(Short, new CheckpointOptions { Enabled = false });
        plan.Forecast.AtEnd.ShouldBeEmpty();
        plan.Warnings.ShouldHaveSingleItem().Trap.ShouldBe(PlanTrap.NothingSaved);
    }

    [Fact]
    public void A_failure_loses_half_an_interval_and_what_was_not_durable_yet()
    {
        Forecast forecast = CheckpointPlan.Of(Short, new CheckpointOptions { CheckpointEvery = 100, SnapshotEvery = 0 }).Forecast;
        forecast.MeanLoss.TotalSeconds.ShouldBe(51, 0.5);
        forecast.WorstLoss.TotalSeconds.ShouldBe(101, 0.5);
    }

    [Fact]
    public void Schedules_by_time_are_played_through_too()
    {
        Forecast forecast = CheckpointPlan.Of(Short, new CheckpointOptions { CheckpointEvery = null, CheckpointInterval = TimeSpan.FromSeconds(100), SnapshotInterval = TimeSpan.FromSeconds(25) }).Forecast;
        forecast.Checkpoints.ShouldBe(5);
        forecast.Snapshots.ShouldBeInRange(10, 15);
    }

    [Fact]
    public void What_is_recommended_falls_into_no_trap_where_that_is_possible() => Gen.Select(Gen.Long[1, 200_000], Gen.Double[0.01, 30], Gen.Long[1_000_000, 20 * Gigabyte], Gen.Double[1, 100]).Sample((steps, stepSeconds, bytes, hours) =>
    {
        PlanRequest request = Short with { TotalSteps = steps, StepTime = TimeSpan.FromSeconds(stepSeconds), StateBytes = bytes, MeanTimeBetweenFailures = TimeSpan.FromHours(hours), SpaceLimit = bytes * 30 };
        CheckpointPlan plan = CheckpointPlan.Of(request, Recommendation.For(request).Options);
        // A run so short that waiting for its final checkpoint takes a share of it can only be over budget.
        PlanWarning[] harmful = [.. plan.Warnings.Where(warning => warning.IsHarmful && warning.Trap != PlanTrap.OverBudget)];
        harmful.ShouldBeEmpty($"{request}: {string.Join(" ", harmful.Select(warning => warning.Message))}");
    }, iter: 300);

    [Fact]
    public void When_not_all_checkpoints_fit_the_last_ones_are_kept()
    {
        PlanRequest request = Short with { TotalSteps = 1_000_000, SpaceLimit = 20 * Gigabyte };
        Recommendation recommendation = Recommendation.For(request);
        recommendation.Options.KeepLast.ShouldBe(16);
        CheckpointPlan.Of(request, recommendation.Options).Forecast.PeakBytes.ShouldBeLessThanOrEqualTo(20 * Gigabyte);
        (recommendation.Options.CheckpointEvery / recommendation.Options.SnapshotEvery).ShouldBe(5);
    }

    [Fact]
    public void A_request_that_cannot_be_is_refused_with_its_reason() =>
        Should.Throw<ArgumentException>(() => CheckpointPlan.Of(Short with { StateBytes = 0 }, new CheckpointOptions())).Message.ShouldContain("at least 1 byte");

    private static PlanWarning Warning(PlanRequest request, CheckpointOptions options, PlanTrap trap) =>
        CheckpointPlan.Of(request, options).Warnings.Where(warning => warning.Trap == trap).ShouldHaveSingleItem();
}
