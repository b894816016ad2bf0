namespace Cairn.Packages.Tests;

/// <summary>The packages as eng/pack.sh makes them, packed once for all tests.</summary>
public sealed class Feed : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cairn-feed-");

    /// <summary>Packs.</summary>
    public Feed() =>
        // The analyzers run in every other build of the same files.
        Shell.Run(Repository.Root, new Dictionary<string, string>(StringComparer.Ordinal), $"eng/pack.sh '{_folder.FullName}' -p:RunAnalyzers=false");

    /// <summary>The folder.</summary>
    public string Folder => _folder.FullName;

    /// <summary>The version of all packages.</summary>
    public string Version => Path.GetFileNameWithoutExtension(Files("Cairn.Cli.*.nupkg").Single())["Cairn.Cli.".Length..];

    /// <summary>The package of this name.</summary>
    public string Package(string id, string extension = "nupkg") => Path.Combine(Folder, $"{id}.{Version}.{extension}");

    /// <summary>The files of a kind.</summary>
    public string[] Files(string pattern) => Directory.GetFiles(Folder, pattern);

    /// <inheritdoc/>
    public void Dispose() => _folder.Delete(recursive: true);
}
