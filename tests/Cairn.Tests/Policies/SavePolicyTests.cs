using Cairn.Policies;
using CsCheck;

namespace Cairn.Tests.Policies;

public class SavePolicyTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Every_multiple_in_a_run_of_single_steps_is_due_once() =>
        Gen.Select(Gen.Long[1, 50], Gen.Int[1, 300]).Sample((every, steps) =>
        {
            ISavePolicy policy = SavePolicy.EverySteps(every);
            long[] due = [.. Enumerable.Range(1, steps).Select(step => (long)step).Where(step => policy.IsDue(At(step, step - 1)))];
            due.ShouldBe(Enumerable.Range(1, (int)(steps / every)).Select(i => i * every));
        });

    [Fact]
    public void A_multiple_that_was_jumped_over_is_not_missed() => SavePolicy.EverySteps(100).IsDue(At(103, 97)).ShouldBeTrue();

    [Fact]
    public void A_standstill_on_a_multiple_is_not_due_again() => SavePolicy.EverySteps(100).IsDue(At(100, 100)).ShouldBeFalse();

    [Fact]
    public void Step_zero_is_never_due()
    {
        SavePolicy.EverySteps(1).IsDue(At(0, 0)).ShouldBeFalse();
        SavePolicy.Every(TimeSpan.FromMinutes(1)).IsDue(new SavePoint(0, 0, Start.AddHours(1), Start)).ShouldBeFalse();
    }

    [Fact]
    public void Time_is_counted_from_the_last_save()
    {
        ISavePolicy policy = SavePolicy.Every(TimeSpan.FromMinutes(10));
        policy.IsDue(new SavePoint(5, 4, Start.AddMinutes(19), Start.AddMinutes(10))).ShouldBeFalse();
        policy.IsDue(new SavePoint(5, 4, Start.AddMinutes(20), Start.AddMinutes(10))).ShouldBeTrue();
    }

    [Fact]
    public void Any_is_due_when_one_is_and_says_all()
    {
        ISavePolicy policy = SavePolicy.Any(SavePolicy.EverySteps(10), SavePolicy.Every(TimeSpan.FromHours(1)));
        policy.IsDue(At(10, 9)).ShouldBeTrue();
        policy.IsDue(new SavePoint(11, 10, Start.AddHours(2), Start)).ShouldBeTrue();
        policy.IsDue(At(11, 10)).ShouldBeFalse();
        policy.Describe.ShouldBe("every 10 steps or every 01:00:00");
        SavePolicy.Any().ShouldBeSameAs(SavePolicy.Never);
    }

    [Fact]
    public void Intervals_that_are_not_positive_are_refused()
    {
        Should.Throw<ArgumentOutOfRangeException>(() => SavePolicy.EverySteps(0));
        Should.Throw<ArgumentOutOfRangeException>(() => SavePolicy.Every(TimeSpan.Zero));
    }

    private static SavePoint At(long step, long previous) => new(step, previous, Start, Start);
}
