using System.Collections.Concurrent;
using Cairn.Alerts;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.Alerts;

public class AlertSenderTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    [Fact]
    public void A_receiver_that_hangs_holds_nobody_up_loses_the_oldest_and_hears_how_many()
    {
        var hanging = new HeldSink();
        var problems = new ConcurrentQueue<string>();
        using var sender = new AlertSender([("slow", hanging)], TimeSpan.Zero, TimeProvider.System, problems.Enqueue);
        sender.Send(SampleAlert.Of(step: 0));
        hanging.IsHeld.Wait(Patience, TestContext.Current.CancellationToken).ShouldBeTrue();
        const int More = AlertSender.Capacity + 36;
        for (int step = 1; step <= More; step++)
            sender.Send(SampleAlert.Of(step: step));
        hanging.Release();
        sender.Flush(Patience);
        long[] steps = [.. hanging.Taken.Select(alert => alert.Step)];
        steps.ShouldBe([0, .. Enumerable.Range(37, AlertSender.Capacity).Select(step => (long)step)]);
        hanging.Taken.Sum(alert => alert.Dropped).ShouldBe(36);
        problems.ShouldHaveSingleItem().ShouldContain("36 alerts were given up");
    }

    [Fact]
    public void The_end_waits_a_bounded_time_for_a_receiver_that_hangs_and_says_what_was_not_sent()
    {
        var hanging = new HeldSink();
        var quick = new HeldSink(isHeld: false);
        var problems = new ConcurrentQueue<string>();
        using var sender = new AlertSender([("slow", hanging), ("quick", quick)], TimeSpan.Zero, TimeProvider.System, problems.Enqueue);
        sender.Send(SampleAlert.Of(step: 1));
        sender.Send(SampleAlert.Of(step: 2));
        hanging.IsHeld.Wait(Patience, TestContext.Current.CancellationToken).ShouldBeTrue();
        quick.WaitFor(2);
        sender.Flush(TimeSpan.FromMilliseconds(1));
        // The other one has them, and may not have been told that it has.
        problems.ShouldContain(problem => problem.StartsWith("2 of the last alerts could not be sent to slow", StringComparison.Ordinal));
        hanging.WasCancelled.Wait(Patience, TestContext.Current.CancellationToken).ShouldBeTrue();
    }

    [Fact]
    public void A_receiver_that_throws_gets_the_next_alert_all_the_same()
    {
        var problems = new ConcurrentQueue<string>();
        var failing = new HeldSink(isHeld: false) { Failure = new InvalidOperationException("no pager") };
        using var sender = new AlertSender([("pager", failing)], TimeSpan.Zero, TimeProvider.System, problems.Enqueue);
        sender.Send(SampleAlert.Of(step: 1));
        sender.Send(SampleAlert.Of(step: 2));
        sender.Flush(Patience);
        failing.Taken.Count.ShouldBe(2);
        problems.Count.ShouldBe(2);
        problems.ShouldAllBe(problem => problem.Contains("was not sent to pager: no pager", StringComparison.Ordinal));
    }

    [Fact]
    public void What_was_held_back_is_sent_when_its_time_has_come()
    {
        var time = new FakeTimeProvider();
        var sink = new HeldSink(isHeld: false);
        using var sender = new AlertSender([("sink", sink)], TimeSpan.FromMinutes(10), time, _ => { });
        for (int step = 1; step <= 4; step++)
            sender.Send(SampleAlert.Of(step: step));
        sink.WaitFor(1);
        time.Advance(TimeSpan.FromMinutes(10));
        sink.WaitFor(2);
        sink.Taken.Select(alert => (alert.Step, alert.HeldBack)).ShouldBe([(1, 0), (4, 2)]);
        sender.Flush(Patience);
        sink.Taken.Count.ShouldBe(2);
    }

    private sealed class HeldSink(bool isHeld = true) : IAlertSink
    {
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly SemaphoreSlim _taken = new(0);
        private int _waited;

        public ManualResetEventSlim IsHeld { get; } = new();
        public ManualResetEventSlim WasCancelled { get; } = new();
        public ConcurrentQueue<Alert> Taken { get; } = [];
        public Exception? Failure { get; init; }

        public void Release() => _released.SetResult();

        public void WaitFor(int count)
        {
            for (; _waited < count; _waited++)
                _taken.Wait(Patience).ShouldBeTrue();
        }

        public async Task SendAsync(Alert alert, CancellationToken cancellationToken)
        {
            IsHeld.Set();
            try
            {
                if (isHeld)
                    await _released.Task.WaitAsync(cancellationToken);
            }
            catch (OperationCanceledException)
            {
                WasCancelled.Set();
                throw;
            }
            Taken.Enqueue(alert);
            _taken.Release();
            if (Failure is not null)
                throw Failure;
        }
    }
}
