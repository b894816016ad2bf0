using Cairn.Alerts;

namespace Cairn.Tests.Alerts;

public class AlertThrottleTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);

    [Fact]
    public void One_alert_of_a_kind_goes_out_in_a_while_and_the_newest_of_the_others_after_it_with_their_number()
    {
        var throttle = new AlertThrottle(Interval);
        throttle.Offer(SampleAlert.Of(AlertKind.SaveFailed, 1), TimeSpan.Zero)!.HeldBack.ShouldBe(0);
        for (int step = 2; step <= 5; step++)
            throttle.Offer(SampleAlert.Of(AlertKind.SaveFailed, step), TimeSpan.FromMinutes(step)).ShouldBeNull();
        throttle.NextDue.ShouldBe(Interval);
        throttle.Due(Interval - TimeSpan.FromTicks(1)).ShouldBeEmpty();
        Alert due = throttle.Due(Interval).ShouldHaveSingleItem();
        (due.Step, due.HeldBack).ShouldBe((5, 3));
        throttle.NextDue.ShouldBeNull();
        // It went out just now, so the next one waits again.
        throttle.Offer(SampleAlert.Of(AlertKind.SaveFailed, 6), Interval + TimeSpan.FromMinutes(1)).ShouldBeNull();
    }

    [Fact]
    public void Kinds_do_not_hold_one_another_back()
    {
        var throttle = new AlertThrottle(Interval);
        throttle.Offer(SampleAlert.Of(AlertKind.SaveFailed, 1), TimeSpan.Zero).ShouldNotBeNull();
        throttle.Offer(SampleAlert.Of(AlertKind.Aborted, 1), TimeSpan.Zero).ShouldNotBeNull();
    }

    [Fact]
    public void What_is_held_back_at_the_end_goes_out_then()
    {
        var throttle = new AlertThrottle(Interval);
        throttle.Offer(SampleAlert.Of(AlertKind.SaveFailed, 1), TimeSpan.Zero);
        throttle.Offer(SampleAlert.Of(AlertKind.SaveFailed, 2), TimeSpan.Zero);
        throttle.All(TimeSpan.Zero).ShouldHaveSingleItem().Step.ShouldBe(2);
        throttle.All(TimeSpan.Zero).ShouldBeEmpty();
    }

    [Fact]
    public void Without_an_interval_all_go_out()
    {
        var throttle = new AlertThrottle(TimeSpan.Zero);
        for (int step = 1; step <= 3; step++)
            throttle.Offer(SampleAlert.Of(AlertKind.SaveFailed, step), TimeSpan.Zero)!.HeldBack.ShouldBe(0);
    }
}
