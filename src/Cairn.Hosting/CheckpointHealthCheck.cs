using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Cairn.Hosting;

/// <summary>Says whether the training goes on and how much of it a crash would cost. Answers at once, whatever the store does.</summary>
internal sealed class CheckpointHealthCheck(RunMonitor monitor, CheckpointHealthOptions options) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        RunSituation now = monitor.Now;
        TimeSpan age = monitor.AgeOf(now);
        (HealthStatus status, string text) = Judge(now, age);
        var data = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["phase"] = now.Phase.ToString().ToLowerInvariant(),
            ["step"] = now.Step,
            ["steps_at_risk"] = Math.Max(0, now.Step - now.SafeStep),
            ["age_seconds"] = age.TotalSeconds,
        };
        if (now.DurableStep is { } durable)
            data["last_durable_step"] = durable;
        return Task.FromResult(new HealthCheckResult(status == HealthStatus.Unhealthy ? context.Registration.FailureStatus : status, text, now.Error, data));
    }

    private (HealthStatus Status, string Text) Judge(RunSituation now, TimeSpan age)
    {
        switch (now.Phase)
        {
            case RunPhase.NotStarted:
                return (HealthStatus.Healthy, "Training has not begun.");
            case RunPhase.Ended:
                return (HealthStatus.Healthy, $"Training has ended at step {now.Step}.");
            case RunPhase.Failed:
                return (HealthStatus.Unhealthy, $"Training has failed at step {now.Step}: {now.Error?.Message}");
            case RunPhase.Training when !now.Saves:
                return (HealthStatus.Healthy, "Nothing is saved: CheckpointOptions.Enabled is false.");
        }
        string copy = now.DurableStep is { } step ? $"The newest durable copy is of step {step}" : "There is no durable copy";
        string text = string.Create(CultureInfo.InvariantCulture, $"{copy}, training is at step {now.Step}, and what was computed in the last {Quantities.Time(age)} is not durable.");
        if (now.Phase == RunPhase.Starting)
            text = string.Create(CultureInfo.InvariantCulture, $"The run is being started, for {Quantities.Time(age)}.");
        if (now.SaveFailed)
            text += $" The last save has failed: {now.Error?.Message}";
        HealthStatus status = age > options.MaxAgeOfLastCopy ? HealthStatus.Unhealthy
            : age > (options.DegradedAge ?? options.MaxAgeOfLastCopy / 2) || now.SaveFailed ? HealthStatus.Degraded
            : HealthStatus.Healthy;
        return (status, text);
    }
}
