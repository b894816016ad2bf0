using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Cairn.Hosting.Tests;

/// <summary>A training and its host start and stop together.</summary>
public sealed class TrainingServiceTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);
    private readonly TestHost _test = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task A_training_that_ends_by_itself_stops_the_host_and_a_second_one_resumes()
    {
        using (IHost host = _test.Build(options => options.TotalSteps = 25))
            await host.RunAsync(TestContext.Current.CancellationToken).WaitAsync(Limit, TestContext.Current.CancellationToken);
        _test.Script.Calls.ShouldBe(["built at 0", "ended at 25 with 25", "disposed"]);
        _test.Script.Threads.Count.ShouldBe(1);

        using (IHost host = _test.Build(options => options.TotalSteps = 30))
            await host.RunAsync(TestContext.Current.CancellationToken).WaitAsync(Limit, TestContext.Current.CancellationToken);
        _test.Script.Calls.ShouldBe(["built at 0", "ended at 30 with 30", "disposed"]);
        _test.Copies().ShouldBe(["10", "20", "25", "30"]);
        Environment.ExitCode.ShouldBe(0);
    }

    [Fact]
    public async Task A_host_that_is_stopped_in_the_middle_of_a_batch_waits_for_its_end_and_the_save()
    {
        using ManualResetEventSlim inBatch = new(), goOn = new();
        HoldAt(13, inBatch, goOn);
        using IHost host = _test.Build();
        await host.StartAsync(TestContext.Current.CancellationToken);
        inBatch.Wait(Limit, TestContext.Current.CancellationToken).ShouldBeTrue();

        Task stopped = host.WaitForShutdownAsync(TestContext.Current.CancellationToken);
        host.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
        stopped.IsCompleted.ShouldBeFalse();
        goOn.Set();
        await stopped.WaitAsync(Limit, TestContext.Current.CancellationToken);

        _test.Script.Calls.ShouldBe(["built at 0", "ended at 14 with 14", "disposed"]);
        _test.Said("Told to stop by the host: the next batch boundary saves and ends").ShouldBeTrue();
        _test.Said("A second interrupt").ShouldBeFalse();
        (await TestHost.HealthAsync(host)).Status.ShouldBe(HealthStatus.Healthy);
        Environment.ExitCode.ShouldBe(0);
    }

    [Fact]
    public async Task A_final_save_that_takes_longer_than_the_hosts_time_is_waited_for()
    {
        using ManualResetEventSlim inSave = new(), goOn = new();
        using IHost host = _test.Build(options => (options.CheckpointEvery, options.TotalSteps, options.Asynchronous) = (null, 7, false), options => options.ShutdownTimeout = TimeSpan.FromMilliseconds(1));
        _test.Script.Batch = checkpoints =>
        {
            if (checkpoints.Train.Step == 6)
                _test.Script.Capture = () =>
                {
                    inSave.Set();
                    goOn.Wait(Limit).ShouldBeTrue();
                };
        };
        await host.StartAsync(TestContext.Current.CancellationToken);
        inSave.Wait(Limit, TestContext.Current.CancellationToken).ShouldBeTrue();
        Task stopped = host.StopAsync(TestContext.Current.CancellationToken);
        SpinWait.SpinUntil(() => _test.Said("Warning: The host's ShutdownTimeout is over, and the end"), Limit).ShouldBeTrue();
        stopped.IsCompleted.ShouldBeFalse();
        goOn.Set();
        await stopped.WaitAsync(Limit, TestContext.Current.CancellationToken);

        _test.Copies().ShouldBe(["7"]);
        Environment.ExitCode.ShouldBe(0);
    }

    [Fact]
    public async Task A_batch_that_takes_longer_than_the_hosts_time_is_left_and_the_exit_code_says_so()
    {
        using ManualResetEventSlim inBatch = new(), goOn = new();
        HoldAt(13, inBatch, goOn);
        using IHost host = _test.Build(options => options.Asynchronous = false, options => options.ShutdownTimeout = TimeSpan.FromMilliseconds(1));
        await host.StartAsync(TestContext.Current.CancellationToken);
        inBatch.Wait(Limit, TestContext.Current.CancellationToken).ShouldBeTrue();
        await host.StopAsync(TestContext.Current.CancellationToken).WaitAsync(Limit, TestContext.Current.CancellationToken);

        _test.Said("Error: The host's ShutdownTimeout is over in the middle of a batch, whose end is not saved: the newest durable copy is of step 1").ShouldBeTrue();
        _test.Script.Calls.ShouldBe(["built at 0"]);
        Environment.ExitCode.ShouldBe(1);
        goOn.Set();
        SpinWait.SpinUntil(() => _test.Script.Calls.LastOrDefault() == "disposed", Limit).ShouldBeTrue();
    }

    [Theory]
    [InlineData(BackgroundServiceExceptionBehavior.StopHost)]
    [InlineData(BackgroundServiceExceptionBehavior.Ignore)]
    public async Task A_training_that_fails_does_to_the_host_what_the_host_says_and_is_unhealthy(BackgroundServiceExceptionBehavior behaviour)
    {
        _test.Script.Batch = checkpoints =>
        {
            if (checkpoints.Train.Step == 12)
                throw new NotSupportedException("no such batch");
        };
        using IHost host = _test.Build(host: options => options.BackgroundServiceExceptionBehavior = behaviour);
        await host.StartAsync(TestContext.Current.CancellationToken);
        SpinWait.SpinUntil(() => _test.Said("BackgroundService failed"), Limit).ShouldBeTrue();
        HealthReportEntry health = await TestHost.HealthAsync(host);
        if (behaviour == BackgroundServiceExceptionBehavior.StopHost)
            await host.WaitForShutdownAsync(TestContext.Current.CancellationToken).WaitAsync(Limit, TestContext.Current.CancellationToken);
        else
            host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested.ShouldBeFalse();

        health.Status.ShouldBe(HealthStatus.Unhealthy);
        health.Description.ShouldBe("Training has failed at step 12: no such batch");
        _test.Copies().ShouldBe(["10"]);
        _test.Script.Calls.Last().ShouldBe("disposed");
        Environment.ExitCode.ShouldBe(1);
    }

    [Fact]
    public async Task A_host_may_go_on_after_the_end()
    {
        using IHost host = _test.Build(options => options.TotalSteps = 3, stopHostAtEnd: false);
        await host.StartAsync(TestContext.Current.CancellationToken);
        SpinWait.SpinUntil(() => _test.Script.Calls.LastOrDefault() == "disposed", Limit).ShouldBeTrue();
        host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested.ShouldBeFalse();
        await host.StopAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public void A_host_has_one_training()
    {
        IServiceCollection services = new ServiceCollection().AddCairnTraining<Counting>();
        Should.Throw<InvalidOperationException>(() => services.AddCairnTraining<Counting>()).Message.ShouldContain("one run per process");
    }

    [Fact]
    public void A_stop_that_may_take_longer_than_the_host_gives_is_said_once()
    {
        var time = new StopTime(TimeSpan.FromSeconds(30));
        time.Exceeds(batch: TimeSpan.FromSeconds(20)).ShouldBeFalse();
        time.Exceeds(save: TimeSpan.FromSeconds(10)).ShouldBeFalse();
        time.Exceeds(save: TimeSpan.FromSeconds(11)).ShouldBeTrue();
        time.Exceeds(save: TimeSpan.FromSeconds(12)).ShouldBeFalse();
        new StopTime(Timeout.InfiniteTimeSpan).Exceeds(batch: TimeSpan.FromDays(1)).ShouldBeFalse();
    }

    // The batch after this step waits until it may go on.
    private void HoldAt(long step, ManualResetEventSlim inBatch, ManualResetEventSlim goOn) => _test.Script.Batch = checkpoints =>
    {
        if (checkpoints.Train.Step != step)
            return;
        inBatch.Set();
        goOn.Wait(Limit).ShouldBeTrue();
    };
}
