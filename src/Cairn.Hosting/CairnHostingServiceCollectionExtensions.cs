using System.Diagnostics.CodeAnalysis;
using Cairn;
using Cairn.Hosting;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds a training run to a host.</summary>
public static class CairnHostingServiceCollectionExtensions
{
    /// <summary>
    /// Adds a background service that resumes the run of the registered <see cref="CheckpointOptions"/> (<c>AddCairn</c>), trains it, and stops in order with the host: the batch under way is finished and its end
    /// saved. The host owns the signals: <see cref="CheckpointOptions.HandleSignals"/> is set to <see langword="false"/>, and SIGHUP and SIGUSR1 stop the host too. When training fails, the host does what its
    /// <c>BackgroundServiceExceptionBehavior</c> says, and <see cref="Environment.ExitCode"/> becomes 1.
    /// </summary>
    /// <typeparam name="TTraining">The training. It is built by the service, on the thread of the training, and disposed there when it is <see cref="IDisposable"/>.</typeparam>
    /// <param name="services">The collection.</param>
    /// <param name="stopHostAtEnd">Whether the host stops when training ends by itself. Default <see langword="true"/>.</param>
    /// <returns>The same collection.</returns>
    /// <exception cref="InvalidOperationException">The host has a training already.</exception>
    public static IServiceCollection AddCairnTraining<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] TTraining>(this IServiceCollection services, bool stopHostAtEnd = true)
        where TTraining : class, ITraining
    {
        ArgumentNullException.ThrowIfNull(services);
        if (services.Any(service => service.ServiceType == typeof(TrainingSettings)))
            throw new InvalidOperationException("The host has a training already: there is one run per process.");
        services.AddSingleton(new TrainingSettings(stopHostAtEnd));
        services.AddCairn(static _ => { });
        services.PostConfigure<CheckpointOptions>(static options => options.HandleSignals = false);
        services.TryAddSingleton<RunMonitor>();
        services.TryAddScoped<TrainState>();
        return services.AddHostedService<TrainingService<TTraining>>();
    }
}
