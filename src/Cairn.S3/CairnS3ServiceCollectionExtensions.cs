using Cairn.S3;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds object stores to Cairn in a service collection.</summary>
public static class CairnS3ServiceCollectionExtensions
{
    /// <summary>Makes addresses of object stores usable as a run's folder, as <see cref="S3RunStores.Register"/> does, for the whole process.</summary>
    /// <param name="services">The collection.</param>
    /// <param name="configure">Sets how the services are reached. By default all comes from the address and the environment.</param>
    /// <returns>The same collection.</returns>
    public static IServiceCollection AddCairnS3(this IServiceCollection services, Action<S3StoreOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        var options = new S3StoreOptions();
        configure?.Invoke(options);
        S3RunStores.Register(options);
        return services;
    }
}
