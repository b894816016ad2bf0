namespace Cairn.Docs.Tests;

/// <summary>The files of this repository, as they stand in the working tree.</summary>
internal static class Repository
{
    private static readonly string[] NotOurs = [".git", "bin", "obj", "artifacts", "node_modules", "runs"];

    /// <summary>The folder that holds <c>Cairn.slnx</c>.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>All files of one kind, but for what builds and runs leave behind.</summary>
    /// <param name="pattern">Such as <c>*.md</c>.</param>
    /// <param name="folder">Where to look, relative to the root.</param>
    public static IEnumerable<string> Files(string pattern, string folder = "")
    {
        string root = Path.Combine(Root, folder);
        return Directory.EnumerateFiles(root, pattern)
            .Concat(Directory.EnumerateDirectories(root).Where(path => !NotOurs.Contains(Path.GetFileName(path))).SelectMany(path => Files(pattern, path)))
            .Order(StringComparer.Ordinal);
    }

    /// <summary>A path as it is written in messages.</summary>
    public static string Short(string path) => Path.GetRelativePath(Root, path);

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder!, "Cairn.slnx")))
            folder = Path.GetDirectoryName(folder);
        return folder!;
    }
}
