namespace Cairn.Stores;

/// <summary>The rules for paths below a root: names joined by <c>/</c>, none of which leads out of the root.</summary>
internal static class StorePath
{
    /// <summary>
    /// Whether this is the name of one file or folder. Names are data: whatever the system allows is one, a colon or a backslash, say, which are
    /// separators on Windows only.
    /// </summary>
    public static bool IsName(ReadOnlySpan<char> name) =>
        name.Length > 0 && name is not ("." or "..") && name.IndexOfAny('/', '\0') < 0 && (!OperatingSystem.IsWindows() || name.IndexOfAny('\\', ':') < 0);

    /// <summary>Refuses a path that is rooted, leads upwards, or holds what no name can hold.</summary>
    public static void Check(string path, bool allowRoot = false)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (path.Length == 0)
        {
            if (allowRoot)
                return;
            throw new ArgumentException("The path is empty; it must name something below the root.", nameof(path));
        }
        foreach (Range range in path.AsSpan().Split('/'))
        {
            if (!IsName(path.AsSpan()[range]))
                throw new ArgumentException($"The path '{path}' is not relative to the root: names that this system can have are joined by single '/', without '.' and '..'.", nameof(path));
        }
    }

    /// <summary>The path of a name in a folder, which may be the root.</summary>
    public static string Join(string folder, string name) => folder.Length == 0 ? name : $"{folder}/{name}";

    /// <summary>The folder of a path; empty for a name in the root.</summary>
    public static string Parent(string path)
    {
        int slash = path.LastIndexOf('/');
        return slash < 0 ? "" : path[..slash];
    }
}
