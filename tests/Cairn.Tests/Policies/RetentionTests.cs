using Cairn.Policies;
using CsCheck;

namespace Cairn.Tests.Policies;

public class RetentionTests
{
    private static readonly HashSet<long> Nothing = [];

    [Fact]
    public void The_last_ones_stay() =>
        RetentionPlan.Decide(Retention.KeepLast(2), [At(10), At(20), At(30), At(40)], Nothing).ShouldBe([10, 20]);

    [Fact]
    public void Keeping_only_the_last_one_is_refused_because_it_may_turn_out_unreadable() =>
        Should.Throw<ArgumentException>(() => Retention.KeepLast(1)).Message.ShouldContain("unreadable");

    [Fact]
    public void Multiples_stay_and_so_does_the_newest() =>
        RetentionPlan.Decide(Retention.KeepEvery(20), [At(10), At(20), At(30), At(40), At(45)], Nothing).ShouldBe([10, 30]);

    [Fact]
    public void The_best_stay_by_lowest_or_highest_metric()
    {
        RetainedCheckpoint[] checkpoints = [At(10, metric: 3), At(20, metric: 1), At(30, metric: 2), At(40, metric: double.NaN), At(50)];
        RetentionPlan.Decide(Retention.KeepBest(2, "loss", higherIsBetter: false), checkpoints, Nothing).ShouldBe([10, 40]);
        RetentionPlan.Decide(Retention.KeepBest(1, "loss", higherIsBetter: true), checkpoints, Nothing).ShouldBe([20, 30, 40]);
    }

    [Fact]
    public void A_metric_that_no_checkpoint_has_retires_nothing() =>
        RetentionPlan.Decide(Retention.KeepBest(1, "lsos", higherIsBetter: false), [At(10, metric: 1), At(20, metric: 2), At(30)], Nothing).ShouldBeEmpty();

    [Fact]
    public void A_checkpoint_that_was_not_measured_is_kept_besides_the_best() =>
        RetentionPlan.Decide(Retention.KeepBest(1, "loss", higherIsBetter: false), [At(10), At(20, metric: 2), At(30, metric: 1), At(40, metric: 3)], Nothing).ShouldBe([20]);

    [Fact]
    public void Of_equally_good_ones_the_newer_stays() =>
        RetentionPlan.Decide(Retention.KeepBest(1, "loss", higherIsBetter: false), [At(10, metric: 1), At(20, metric: 1), At(30)], Nothing).ShouldBe([10]);

    [Fact]
    public void A_budget_retires_the_oldest_until_the_rest_fits() =>
        RetentionPlan.Decide(Retention.WithinBytes(250), [At(10), At(20), At(30), At(40)], Nothing).ShouldBe([10, 20]);

    [Fact]
    public void A_budget_counts_what_is_protected_and_passes_over_it() =>
        RetentionPlan.Decide(Retention.WithinBytes(250), [At(10), At(20), At(30), At(40)], new HashSet<long> { 10 }).ShouldBe([20, 30]);

    [Fact]
    public void A_budget_around_other_rules_is_a_limit_on_what_they_keep() =>
        RetentionPlan.Decide(Retention.WithinBytes(250, Retention.KeepLast(3)), [At(10), At(20), At(30), At(40)], Nothing).ShouldBe([10, 20]);

    [Fact]
    public void A_budget_too_small_for_one_still_leaves_the_newest() =>
        RetentionPlan.Decide(Retention.WithinBytes(0), [At(10), At(20)], Nothing).ShouldBe([10]);

    [Fact]
    public void Any_keeps_what_one_of_its_rules_keeps() =>
        RetentionPlan.Decide(Retention.Any(Retention.KeepLast(2), Retention.KeepEvery(20)), [At(10), At(20), At(30), At(40), At(50)], Nothing).ShouldBe([10, 30]);

    [Fact]
    public void Incomplete_checkpoints_are_left_for_inspection_and_count_for_no_rule() =>
        RetentionPlan.Decide(Retention.KeepLast(2), [At(10), At(20), At(30), At(40, complete: false)], Nothing).ShouldBe([10]);

    [Fact]
    public void Two_checkpoints_of_one_step_are_refused() =>
        Should.Throw<ArgumentException>(() => RetentionPlan.Decide(Retention.KeepAll, [At(10), At(10)], Nothing));

    [Fact]
    public void Whatever_the_policy_the_newest_good_and_the_protected_stay()
    {
        Gen<IRetentionPolicy> policies = Gen.OneOf(
            Gen.Int[2, 5].Select(Retention.KeepLast),
            Gen.Long[1, 7].Select(Retention.KeepEvery),
            Gen.Select(Gen.Int[1, 3], Gen.Bool).Select((count, higher) => Retention.KeepBest(count, "loss", higher)),
            Gen.Long[0, 2000].Select(budget => Retention.WithinBytes(budget)),
            Gen.Const<IRetentionPolicy>(new KeepNothing()));
        Gen<RetainedCheckpoint> checkpoint = Gen.Select(Gen.Long[1, 40], Gen.Long[0, 500], Gen.Double, Gen.Bool)
            .Select((step, bytes, loss, complete) => At(step, bytes, loss, complete));
        Gen.Select(policies, checkpoint.Array[0, 20], Gen.Long[1, 40].HashSet[0, 5]).Sample((policy, drawn, protectedSteps) =>
        {
            RetainedCheckpoint[] checkpoints = [.. drawn.DistinctBy(one => one.Step)];
            IReadOnlyList<long> retired = RetentionPlan.Decide(policy, checkpoints, protectedSteps);
            long[] complete = [.. checkpoints.Where(one => one.IsComplete).Select(one => one.Step)];
            retired.ShouldBeSubsetOf(complete);
            retired.ShouldNotContain(step => protectedSteps.Contains(step));
            retired.ShouldBeInOrder();
            if (complete.Length > 0)
                retired.ShouldNotContain(complete.Max());
        });
    }

    private static RetainedCheckpoint At(long step, long bytes = 100, double? metric = null, bool complete = true) => new(
        step, bytes, metric is { } value ? new Dictionary<string, double>(StringComparer.Ordinal) { ["loss"] = value } : new Dictionary<string, double>(StringComparer.Ordinal), complete, DateTimeOffset.UnixEpoch.AddMinutes(step));

    private sealed class KeepNothing : IRetentionPolicy
    {
        public string Describe => "nothing";
        public IReadOnlySet<long> Keep(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps) => new HashSet<long>();
    }
}
