using Cairn.Stores;

namespace Cairn.S3;

/// <summary>Makes addresses of object stores usable as a run's folder.</summary>
public static class S3RunStores
{
    private static readonly string[] Schemes = ["s3", "boto3", "oss2", "ali", "volc", "vc"];

    /// <summary>
    /// From now on <see cref="CheckpointOptions.Folder"/> and <see cref="CheckpointOptions.ResumeFrom"/> take what <see cref="S3Address"/> reads. Call it at the program's start; a later call
    /// with other options counts for what is opened from then on.
    /// </summary>
    /// <param name="options">How the services are reached. By default all comes from the address and the environment.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public static void Register(S3StoreOptions? options = null)
    {
        S3StoreOptions used = options ?? new S3StoreOptions();
        S3StoreOptions.Check(used);
        foreach (string scheme in Schemes)
            RunStores.Register(scheme, address => new S3RunStore(S3Address.Parse(address), used));
    }
}
