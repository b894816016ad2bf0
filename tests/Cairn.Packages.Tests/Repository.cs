namespace Cairn.Packages.Tests;

/// <summary>The folder that these tests are built from.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    public static bool IsGit => Directory.Exists(Path.Combine(Root, ".git")) || File.Exists(Path.Combine(Root, ".git"));

    private static string Find()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Cairn.slnx")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("The repository's root was not found above the test.");
    }
}
