namespace Cairn.Stores;

/// <summary>A folder of this machine or an address of a store, as one path.</summary>
internal static class PlacePath
{
    /// <summary>The whole path, without a separator at its end; a leading <c>~</c> is the home folder.</summary>
    public static string Full(string place) => RunStores.IsAddress(place) ? place.TrimEnd('/') : Path.TrimEndingDirectorySeparator(Path.GetFullPath(HomeFolder.Expanded(place)));

    /// <summary>The last name of a whole path; empty where it has none.</summary>
    public static string Name(string full) => !RunStores.IsAddress(full) ? Path.GetFileName(full) : Parent(full) is { } parent ? full[(parent.Length + 1)..] : "";

    /// <summary>The folder of a whole path; <see langword="null"/> for one that stands in none.</summary>
    public static string? Parent(string full)
    {
        if (!RunStores.IsAddress(full))
            return Path.GetDirectoryName(full);
        int bucket = full.IndexOf("://", StringComparison.Ordinal) + 3, slash = full.LastIndexOf('/');
        return slash < bucket ? null : full[..slash];
    }

    /// <summary>Whether a whole path leads to these files, however it is written.</summary>
    public static bool IsOf(IFileSource files, string full) => RunStores.IsAddress(full) ? RunStores.Open(full).Root == files.Root : PathIdentity.IsSame(full, files.Root);

    /// <summary>Opens it for reading.</summary>
    /// <exception cref="StoreException">It is an address that cannot be opened.</exception>
    public static IFileSource Open(string place) => RunStores.IsAddress(place) ? new StoreFiles(RunStores.Open(place)) : new LocalFileSystem(place);
}
