namespace Cairn.Packages.Tests;

/// <summary>A folder of somebody who has no clone of the repository: a feed and the package sources of the machine, nothing else. Cairn's packages are unpacked here alone.</summary>
public sealed class Stranger : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cairn-stranger-");
    private readonly Dictionary<string, string> _variables;

    /// <summary>Makes the project of the README's quick start, by the commands that it states.</summary>
    public Stranger(Feed feed)
    {
        _variables = new(StringComparer.Ordinal)
        {
            ["NUGET_PACKAGES"] = Path.Combine(Folder, "packages"),
            ["NUGET_FALLBACK_PACKAGES"] = Fallback(),
        };
        File.WriteAllText(Path.Combine(Folder, "NuGet.config"), "<configuration />");
        // libtorch is 500 MB: linked instead of copied where the disk is the same.
        File.WriteAllText(Path.Combine(Folder, "Directory.Build.props"), """
            <Project><PropertyGroup>
              <CreateHardLinksForCopyLocalIfPossible>true</CreateHardLinksForCopyLocalIfPossible>
              <CreateHardLinksForCopyFilesToOutputDirectoryIfPossible>true</CreateHardLinksForCopyFilesToOutputDirectoryIfPossible>
              <CreateHardLinksForPublishFilesIfPossible>true</CreateHardLinksForPublishFilesIfPossible>
            </PropertyGroup></Project>
            """);

        string[] local = Readme.LocalFeed.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        local.Length.ShouldBe(2);
        local[0].ShouldBe("eng/pack.sh");
        string clone = Directory.CreateDirectory(Path.Combine(Folder, "clone", "artifacts")).Parent!.FullName;
        Directory.CreateSymbolicLink(Path.Combine(clone, "artifacts", "packages"), feed.Folder);
        // Not into the configuration of whoever runs the test.
        RunIn(clone, $"{local[1]} --configfile ../NuGet.config");

        Run(Readme.NewProject);
        File.WriteAllText(Path.Combine(Project, "Program.cs"), Readme.Program);
    }

    /// <summary>The folder of all that is his.</summary>
    public string Folder => _folder.FullName;

    /// <summary>The project of the quick start.</summary>
    public string Project => Path.Combine(Folder, "first-run");

    /// <summary>Runs commands in a folder of his, and gives what they print.</summary>
    public string RunIn(string folder, string script) => Shell.Run(Path.Combine(Folder, folder), _variables, script);

    /// <inheritdoc cref="RunIn"/>
    public string Run(string script) => RunIn(".", script);

    /// <summary>Starts commands in a folder of his.</summary>
    internal Shell StartIn(string folder, string script) => new(Path.Combine(Folder, folder), _variables, script);

    /// <inheritdoc/>
    public void Dispose() => _folder.Delete(recursive: true);

    // What the machine has unpacked already, but not what it may have of Cairn: that would be used instead of the packages that are tested.
    private string Fallback()
    {
        string fallback = Directory.CreateDirectory(Path.Combine(Folder, "fallback")).FullName;
        string machine = Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } set
            ? set
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        if (Directory.Exists(machine))
        {
            foreach (string package in Directory.GetDirectories(machine).Where(package => !Path.GetFileName(package).StartsWith("cairn", StringComparison.OrdinalIgnoreCase)))
                Directory.CreateSymbolicLink(Path.Combine(fallback, Path.GetFileName(package)), package);
        }
        return fallback;
    }
}
