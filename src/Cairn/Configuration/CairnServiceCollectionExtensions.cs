using Cairn;
using Cairn.Alerts;
using Cairn.Configuration;
using Cairn.Layouts;
using Cairn.Policies;
using Cairn.Stores;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers Cairn in a service collection.</summary>
public static class CairnServiceCollectionExtensions
{
    /// <summary>Registers <see cref="CheckpointOptions"/> read from a section by <see cref="CheckpointConfiguration"/>, checked when the host starts, a <see cref="CheckpointManagerFactory"/>, and <see cref="TimeProvider.System"/> where no other is registered.</summary>
    /// <returns>The same collection.</returns>
    public static IServiceCollection AddCairn(this IServiceCollection services, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(section);
        return services.AddCairn(options => CheckpointConfiguration.Bind(section, options));
    }

    /// <summary>Registers <see cref="CheckpointOptions"/> as <paramref name="configure"/> sets them, checked when the host starts, a <see cref="CheckpointManagerFactory"/>, and <see cref="TimeProvider.System"/> where no other is registered. What is registered of these is used: an <see cref="IRunStore"/>, where the run lives; <see cref="ICheckpointLayout"/>s; an <see cref="IRetentionPolicy"/>; an <see cref="IAlertSink"/>; <see cref="ISavePolicy"/>s with the keys <c>checkpoint</c> and <c>snapshot</c>. Several calls add up, the later one winning.</summary>
    /// <returns>The same collection.</returns>
    public static IServiceCollection AddCairn(this IServiceCollection services, Action<CheckpointOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        services.AddOptions<CheckpointOptions>().Configure(configure)
            .PostConfigure<IServiceProvider>(static (options, provider) => TakeRegistered(options, provider)).ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<CheckpointOptions>, CheckpointOptionsValidator>());
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<CheckpointManagerFactory>();
        return services;
    }

    // What the options are given as an object wins, and Keep rules over a registered one.
    private static void TakeRegistered(CheckpointOptions options, IServiceProvider provider)
    {
        options.Store ??= provider.GetService<IRunStore>();
        options.AlertSink ??= provider.GetService<IAlertSink>();
        options.CheckpointPolicy ??= provider.GetKeyedService<ISavePolicy>("checkpoint");
        options.SnapshotPolicy ??= provider.GetKeyedService<ISavePolicy>("snapshot");
        if (options.KeepsAll)
            options.RetentionPolicy = provider.GetService<IRetentionPolicy>();
        foreach (ICheckpointLayout layout in provider.GetServices<ICheckpointLayout>())
            CheckpointLayouts.Register(layout);
    }
}
