namespace Cairn.Storage;

/// <summary>The rules for paths below a root: names joined by <c>/</c>, none of which leads out of the root.</summary>
internal static class StorePath
{
    /// <summary>Refuses a path that is rooted, leads upwards or means different things on different systems.</summary>
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
            ReadOnlySpan<char> name = path.AsSpan()[range];
            if (name.Length == 0 || name is "." or "..")
                throw new ArgumentException($"The path '{path}' is not relative to the root: names are joined by single '/', without '.' and '..'.", nameof(path));
        }
        // A backslash is a separator and a colon a drive or stream on Windows only: one path must mean one file everywhere.
        if (path.AsSpan().ContainsAny('\\', ':', '\0'))
            throw new ArgumentException($"The path '{path}' contains '\\', ':' or a NUL, which not every system can have in a name.", nameof(path));
    }

    /// <summary>The folder of a path; empty for a name in the root.</summary>
    public static string Parent(string path)
    {
        int slash = path.LastIndexOf('/');
        return slash < 0 ? "" : path[..slash];
    }
}
