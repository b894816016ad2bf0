namespace Cairn.Stores;

/// <summary>Which folder or file a path of this machine means, whatever links and mounts lead to it.</summary>
internal static class PathIdentity
{
    private const int MostLinks = 40;

    /// <summary>The path without symbolic links. What does not exist yet is kept as it is written.</summary>
    public static string Physical(string path) => Physical(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)), MostLinks);

    /// <summary>Whether two paths are the same folder or file: equal, or of one device and inode.</summary>
    public static bool IsSame(string one, string other) =>
        string.Equals(one, other, OperatingSystem.IsWindows() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal)
        || (FileStatus.At(one) is { } first && FileStatus.At(other) is { } second && first.IsSameFile(second));

    /// <summary>Whether a path is a folder or stands somewhere in it. It need not exist.</summary>
    public static bool IsWithin(string path, string folder)
    {
        string outer = Physical(folder);
        for (string? at = Physical(path); at is not null; at = Path.GetDirectoryName(at))
        {
            if (IsSame(at, outer))
                return true;
        }
        return false;
    }

    private static string Physical(string full, int links)
    {
        if (Path.GetDirectoryName(full) is not { } parent)
            return full;
        string here = Path.Join(Physical(parent, links), Path.GetFileName(full));
        if (new FileInfo(here).LinkTarget is not { } target)
            return here;
        return links == 0 ? throw new IOException($"'{full}' has too many symbolic links.") : Physical(Path.GetFullPath(target, Path.GetDirectoryName(here)!), links - 1);
    }
}
