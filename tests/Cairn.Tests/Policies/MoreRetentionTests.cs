using Cairn.Policies;
using CsCheck;

namespace Cairn.Tests.Policies;

/// <summary>Rules by time, by age and by whoever writes one, and why they keep what they keep.</summary>
public class MoreRetentionTests
{
    static readonly HashSet<long> Nothing = [];
    static readonly DateTimeOffset Midnight = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);

    static RetainedCheckpoint At(long step, double hours = 0, double? loss = null) =>
        new(step, 10, loss is { } value ? new Dictionary<string, double>(StringComparer.Ordinal) { ["loss"] = value } : new Dictionary<string, double>(StringComparer.Ordinal), true, Midnight.AddHours(hours));

    [Fact]
    public void The_first_of_each_stretch_of_time_stays() =>
        RetentionPlan.Decide(Retention.KeepEach(TimeSpan.FromHours(6)), [At(1, 1), At(2, 5), At(3, 6), At(4, 11.9), At(5, 12), At(6, 13)], Nothing).ShouldBe([2, 4]);

    [Fact]
    public void Fewer_stay_the_older_they_are()
    {
        RetainedCheckpoint[] all = [.. Enumerable.Range(1, 64).Select(i => At(i * 100))];
        HashSet<long> gone = [.. RetentionPlan.Decide(Retention.KeepSpread(100, 4), all, Nothing)];
        all.Select(checkpoint => checkpoint.Step / 100).Where(index => !gone.Contains(index * 100)).ShouldBe([16, 32, 40, 48, 52, 56, 58, 60, 61, 62, 63, 64]);
    }

    // After each checkpoint, as training does, or once for all: the same stay.
    [Fact]
    public void It_does_not_matter_how_often_spreading_is_asked() => Gen.Select(Gen.Int[1, 7], Gen.Int[2, 6], Gen.Long[1, 50].Array[1, 60]).Sample((unit, count, gaps) =>
    {
        IRetentionPolicy policy = Retention.KeepSpread(unit, count);
        List<RetainedCheckpoint> all = [], standing = [];
        long step = 0;
        foreach (long gap in gaps)
        {
            all.Add(At(step += gap));
            standing.Add(all[^1]);
            HashSet<long> gone = [.. RetentionPlan.Decide(policy, standing, Nothing)];
            standing.RemoveAll(checkpoint => gone.Contains(checkpoint.Step));
        }
        HashSet<long> once = [.. RetentionPlan.Decide(policy, all, Nothing)];
        standing.Select(checkpoint => checkpoint.Step).ShouldBe(all.Select(checkpoint => checkpoint.Step).Where(one => !once.Contains(one)));
    });

    [Theory, InlineData(EqualMetrics.PreferNewer, 10), InlineData(EqualMetrics.PreferOlder, 20)]
    public void Of_equal_metrics_the_one_that_is_said_stays(EqualMetrics equal, long goes) =>
        RetentionPlan.Decide(Retention.KeepBest(1, "loss", false, equal), [At(10, loss: 1), At(20, loss: 1), At(30)], Nothing).ShouldBe([goes]);

    [Fact]
    public void What_is_exempt_stays_above_a_budget_and_counts_in_it()
    {
        IRetentionPolicy policy = Retention.Exempt(Retention.WithinBytes(30), checkpoint => checkpoint.Step == 10, "releases");
        RetainedCheckpoint[] all = [At(10), At(20), At(30), At(40)];
        RetentionPlan.Decide(policy, all, Nothing).ShouldBe([20]);
        RetentionPlan.Explain(policy, all, Nothing).ShouldBe(new Dictionary<long, string> { [10] = "releases", [20] = "over 30 B in all", [30] = "all", [40] = "all" }, ignoreOrder: true);
        RetentionPlan.Decide(Retention.Any(Retention.KeepLast(2), Retention.KeepWhere(checkpoint => checkpoint.Step == 20, "twenty")), all, Nothing).ShouldBe([10]);
    }

    [Fact]
    public void Every_rule_that_keeps_a_checkpoint_is_named() =>
        RetentionPlan.Explain(Retention.Any(Retention.KeepLast(2), Retention.KeepEvery(20)), [At(10), At(20), At(30), At(40)], Nothing)
            .ShouldBe(new Dictionary<long, string> { [20] = "every multiple of 20 steps", [30] = "the last 2", [40] = "the last 2; every multiple of 20 steps" }, ignoreOrder: true);
}
