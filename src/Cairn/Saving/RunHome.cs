using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>The homes of runs.</summary>
internal static class RunHome
{
    private const string LocalScheme = "local:";

    /// <summary>Where the options say that the run lives.</summary>
    /// <exception cref="StoreException">The folder is none.</exception>
    public static IRunHome Of(CheckpointOptions options)
    {
        if (options.Store is { } store)
            return new StoreHome(store);
        string folder = options.Folder.StartsWith(LocalScheme, StringComparison.Ordinal) ? options.Folder[LocalScheme.Length..] : options.Folder;
        return folder.Contains("://", StringComparison.Ordinal)
            ? throw new StoreException($"'{folder}' is not a folder. Give a local or mounted folder, or set Store for an object store.") { Path = folder }
            : new DiskHome(new LocalFileSystem(folder) { DirectIO = options.DirectIO });
    }
}
