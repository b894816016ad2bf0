using Cairn.Hosting;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds the health of a training run.</summary>
public static class CairnHealthChecksBuilderExtensions
{
    /// <summary>
    /// Adds the check <c>cairn</c> of the training that <c>AddCairnTraining</c> registers: unhealthy when it has failed or when the state in its newest durable copy is too old, degraded when that is near or when the
    /// last save has failed. Before the first save the age counts from the start. Its data are <c>phase</c>, <c>step</c>, <c>last_durable_step</c>, <c>steps_at_risk</c> and <c>age_seconds</c>.
    /// </summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="configure">Sets how old the copy may be.</param>
    /// <param name="tags">Tags of the check.</param>
    /// <returns>The same health checks.</returns>
    /// <exception cref="ArgumentException">An age is not positive.</exception>
    public static IHealthChecksBuilder AddCairn(this IHealthChecksBuilder builder, Action<CheckpointHealthOptions>? configure = null, IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = new CheckpointHealthOptions();
        configure?.Invoke(options);
        if (options.MaxAgeOfLastCopy <= TimeSpan.Zero || options.DegradedAge <= TimeSpan.Zero)
            throw new ArgumentException("MaxAgeOfLastCopy and DegradedAge must be positive.", nameof(configure));
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.TryAddSingleton<RunMonitor>();
        return builder.Add(new HealthCheckRegistration("cairn", provider => new CheckpointHealthCheck(provider.GetRequiredService<RunMonitor>(), options), HealthStatus.Unhealthy, tags));
    }
}
