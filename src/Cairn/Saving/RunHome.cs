using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>The homes of runs.</summary>
internal static class RunHome
{
    private const string LocalScheme = "local:";

    /// <summary>Where the options say that the run lives.</summary>
    /// <exception cref="StoreException">The folder is an address of a store that cannot be opened.</exception>
    public static IRunHome Of(CheckpointOptions options)
    {
        if (options.Store is { } store)
            return new StoreHome(store);
        if (RunStores.IsAddress(options.Folder))
            return new StoreHome(RunStores.Open(options.Folder));
        string folder = options.Folder.StartsWith(LocalScheme, StringComparison.Ordinal) ? options.Folder[LocalScheme.Length..] : options.Folder;
        return new DiskHome(new LocalFileSystem(PlacePath.Full(folder)) { DirectIO = options.DirectIO });
    }
}
