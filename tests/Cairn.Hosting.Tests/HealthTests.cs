using Cairn.Policies;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Hosting.Tests;

/// <summary>What the check <c>cairn</c> says, and when.</summary>
public sealed class HealthTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task The_age_of_the_newest_durable_copy_decides_counted_from_the_state_that_it_holds()
    {
        var monitor = new RunMonitor(_time);
        (await CheckAsync(monitor)).Status.ShouldBe(HealthStatus.Healthy);
        monitor.Starting();
        await AgesAsync(monitor);
        monitor.Starting();
        monitor.Started(step: 100, durableStep: 100, saves: true);
        await AgesAsync(monitor);

        monitor.Trained(150);
        monitor.Saved(Report(SaveOutcome.Saved, TimeSpan.FromMinutes(10)), durableStep: 120);
        HealthCheckResult result = await CheckAsync(monitor);
        result.Data["age_seconds"].ShouldBe(600d);
        result.Data["step"].ShouldBe(150L);
        result.Data["last_durable_step"].ShouldBe(120L);
        result.Data["steps_at_risk"].ShouldBe(30L);
        _time.Advance(TimeSpan.FromMinutes(51));
        (await CheckAsync(monitor)).Status.ShouldBe(HealthStatus.Unhealthy);
        monitor.Ended();
        (await CheckAsync(monitor)).Status.ShouldBe(HealthStatus.Healthy);
    }

    [Fact]
    public async Task A_save_that_failed_is_degraded_until_one_does_not()
    {
        var monitor = new RunMonitor(_time);
        monitor.Starting();
        monitor.Started(step: 0, durableStep: null, saves: true);
        monitor.Saved(Report(SaveOutcome.Failed, default, new IOException("disk full")), durableStep: null);
        (await CheckAsync(monitor)).Status.ShouldBe(HealthStatus.Degraded);
        monitor.Saved(Report(SaveOutcome.Dropped, default), durableStep: null);
        HealthCheckResult result = await CheckAsync(monitor);
        result.Status.ShouldBe(HealthStatus.Degraded);
        result.Description!.ShouldContain("disk full");
        monitor.Saved(Report(SaveOutcome.Saved, default), durableStep: 5);
        (await CheckAsync(monitor)).Status.ShouldBe(HealthStatus.Healthy);
    }

    [Fact]
    public async Task A_run_that_saves_nothing_on_purpose_is_healthy()
    {
        var monitor = new RunMonitor(_time);
        monitor.Starting();
        monitor.Started(step: 0, durableStep: null, saves: false);
        _time.Advance(TimeSpan.FromDays(1));
        (await CheckAsync(monitor)).Status.ShouldBe(HealthStatus.Healthy);
    }

    [Fact]
    public async Task The_check_answers_while_a_save_hangs()
    {
        using var test = new TestHost();
        using ManualResetEventSlim inSave = new(), goOn = new();
        using IHost host = test.Build(options => (options.CheckpointEvery, options.SnapshotEvery, options.TotalSteps) = (10, 0, 30));
        (await TestHost.HealthAsync(host)).Description.ShouldBe("Training has not begun.");
        int saves = 0;
        test.Script.Batch = checkpoints =>
        {
            if (checkpoints.Train.Step != 19 || saves++ > 0)
                return;
            test.Script.Capture = () =>
            {
                inSave.Set();
                goOn.Wait(Limit).ShouldBeTrue();
            };
        };
        await host.StartAsync(TestContext.Current.CancellationToken);
        inSave.Wait(Limit, TestContext.Current.CancellationToken).ShouldBeTrue();
        HealthReportEntry before = await TestHost.HealthAsync(host);
        test.Time.Advance(TimeSpan.FromMinutes(61));
        HealthReportEntry after = await TestHost.HealthAsync(host);
        goOn.Set();
        await host.WaitForShutdownAsync(TestContext.Current.CancellationToken).WaitAsync(Limit, TestContext.Current.CancellationToken);

        before.Status.ShouldBe(HealthStatus.Healthy);
        (before.Data["step"], before.Data["steps_at_risk"], before.Data["last_durable_step"]).ShouldBe((20L, 10L, 10L));
        after.Status.ShouldBe(HealthStatus.Unhealthy);
        after.Description!.ShouldContain("The newest durable copy is of step 10, training is at step 20, and what was computed in the last 1h 1m is not durable.");
        (await TestHost.HealthAsync(host)).Status.ShouldBe(HealthStatus.Healthy);
    }

    [Fact]
    public void An_age_that_is_not_positive_is_refused() =>
        Should.Throw<ArgumentException>(() => new ServiceCollection().AddHealthChecks().AddCairn(health => health.DegradedAge = TimeSpan.Zero));

    private async Task AgesAsync(RunMonitor monitor)
    {
        (await CheckAsync(monitor)).Status.ShouldBe(HealthStatus.Healthy);
        _time.Advance(TimeSpan.FromMinutes(31));
        (await CheckAsync(monitor)).Status.ShouldBe(HealthStatus.Degraded);
        _time.Advance(TimeSpan.FromMinutes(30));
        (await CheckAsync(monitor)).Status.ShouldBe(HealthStatus.Unhealthy);
    }

    private static Task<HealthCheckResult> CheckAsync(RunMonitor monitor)
    {
        var check = new CheckpointHealthCheck(monitor, new CheckpointHealthOptions());
        return check.CheckHealthAsync(new HealthCheckContext { Registration = new HealthCheckRegistration("cairn", check, null, null) });
    }

    private static SaveReport Report(SaveOutcome outcome, TimeSpan duration, Exception? error = null) =>
        new() { Step = 0, Kind = SaveKind.Checkpoint, Reason = SaveReason.Interval, Outcome = outcome, Duration = duration, Error = error };
}
