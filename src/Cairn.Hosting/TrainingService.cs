using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Cairn.Hosting;

/// <summary>Resumes a run, trains it, and stops in order with the host.</summary>
internal sealed class TrainingService<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] TTraining>(
    IServiceScopeFactory scopes, CheckpointManagerFactory runs, IOptions<CheckpointOptions> options, IOptions<HostOptions> host, TrainingSettings settings, RunMonitor monitor,
    IHostApplicationLifetime lifetime, TimeProvider time, ILogger<ITraining> logger) : BackgroundService
    where TTraining : class, ITraining
{
    private readonly StopTime _stopTime = new(host.Value.ShutdownTimeout);
    // Whether the state is that of a batch, and all that is left to do is to save it.
    private volatile bool _isBetweenBatches;

    /// <summary>Stops. What the host's time is too short for is waited for when it is the end that is being saved, for at most <see cref="CheckpointOptions.StoreTimeout"/> without a sign of life; a batch is left where it is.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken).ConfigureAwait(false);
        if (ExecuteTask is not { IsCompleted: false } training)
            return;
        if (_isBetweenBatches)
        {
            logger.WaitsForEnd();
            await training.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        else if (monitor.Now is { Phase: RunPhase.Training } now)
        {
            logger.LeavesBatch(now.DurableStep);
            Environment.ExitCode = 1;
        }
    }

    // Not on the caller's thread even in its first part: a host starts its services one after another.
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => TrainingThread.RunAsync(() =>
    {
        monitor.Starting();
        try
        {
            using var signals = new HostSignals(lifetime, logger);
            // Services that are stopped before this one take from the same time: the batch under way is told at once.
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, lifetime.ApplicationStopping);
            Train(stop.Token);
            monitor.Ended();
        }
        catch (Exception e)
        {
            monitor.Failed(e);
            Environment.ExitCode = 1;
            throw;
        }
        if (!settings.StopHostAtEnd || lifetime.ApplicationStopping.IsCancellationRequested)
            return;
        logger.StopsHostAtEnd();
        lifetime.StopApplication();
    });

    private void Train(CancellationToken stop)
    {
        using IServiceScope scope = scopes.CreateScope();
        TTraining training = ActivatorUtilities.CreateInstance<TTraining>(scope.ServiceProvider);
        using var owned = training as IDisposable;
        CheckpointManager checkpoints;
        try
        {
            checkpoints = runs.StartAsync(scope.ServiceProvider.GetRequiredService<TrainState>(), training.Parts, stop).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return;
        }
        try
        {
            Train(training, checkpoints, stop);
        }
        finally
        {
            checkpoints.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private void Train(TTraining training, CheckpointManager checkpoints, CancellationToken stop)
    {
        monitor.Started(checkpoints.Train.Step, Durable(checkpoints), options.Value.Enabled);
        checkpoints.SaveEnded += (_, report) =>
        {
            monitor.Saved(report, Durable(checkpoints));
            Warn(_stopTime.Exceeds(save: report.Duration));
        };
        using CancellationTokenRegistration told = stop.Register(() => checkpoints.Signal("the host"));
        _isBetweenBatches = true;
        RunSummary summary = checkpoints.Run(() =>
        {
            _isBetweenBatches = false;
            long begun = time.GetTimestamp();
            training.TrainBatch(checkpoints);
            _isBetweenBatches = true;
            monitor.Trained(checkpoints.Train.Step);
            Warn(_stopTime.Exceeds(batch: time.GetElapsedTime(begun)));
        });
        training.Ended(checkpoints, summary);
    }

    private void Warn(bool isTooLong)
    {
        if (isTooLong)
            logger.ShutdownTimeoutTooShort(Quantities.Time(host.Value.ShutdownTimeout), Quantities.Time(_stopTime.Batch), Quantities.Time(_stopTime.Save));
    }

    private static long? Durable(CheckpointManager checkpoints) =>
        checkpoints is { LastCheckpoint: { } checkpoint, LastSnapshot: { } snapshot } ? Math.Max(checkpoint, snapshot) : checkpoints.LastCheckpoint ?? checkpoints.LastSnapshot;
}
