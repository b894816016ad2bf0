using System.IO.Compression;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Cairn.Packages.Tests;

/// <summary>What stands in each package.</summary>
public sealed partial class PackageTests(Feed feed)
{
    private static readonly string[] Frameworks = ["net10.0", "net8.0"];

    private static readonly string[] Extensions =
        ["Microsoft.Extensions.Configuration", "Microsoft.Extensions.DependencyInjection.Abstractions", "Microsoft.Extensions.Logging.Abstractions", "Microsoft.Extensions.Options",
         "Microsoft.Extensions.Options.ConfigurationExtensions", "System.IO.Hashing", "System.Numerics.Tensors"];

    /// <summary>Each library, and the packages that it brings.</summary>
    public static TheoryData<string, string[], string[]> Libraries => new()
    {
        { "Cairn", Extensions, [.. Extensions, "System.Text.Json"] },
        { "Cairn.TorchSharp", ["Cairn", "TorchSharp"], ["Cairn", "TorchSharp"] },
        { "Cairn.Mpi", ["Cairn", "Microsoft.Extensions.Logging.Abstractions"], ["Cairn", "Microsoft.Extensions.Logging.Abstractions"] },
        { "Cairn.S3", ["AWSSDK.S3", "Cairn", "Microsoft.Extensions.DependencyInjection.Abstractions"], ["AWSSDK.S3", "Cairn", "Microsoft.Extensions.DependencyInjection.Abstractions"] },
        { "Cairn.Hosting", ["Cairn", "Microsoft.Extensions.Diagnostics.HealthChecks", "Microsoft.Extensions.Hosting"], ["Cairn", "Microsoft.Extensions.Diagnostics.HealthChecks", "Microsoft.Extensions.Hosting"] },
        { "Cairn.Advice", ["Cairn"], ["Cairn"] },
    };

    [Fact]
    public void There_is_a_package_for_each_library_the_tool_and_the_template_and_no_other()
    {
        string[] ids = [.. Libraries.Select(row => row.Data.Item1), "Cairn.Cli"];
        feed.Files("*.nupkg").ShouldBe(ids.Append("Cairn.Templates").Select(id => feed.Package(id)), ignoreOrder: true);
        feed.Files("*.snupkg").ShouldBe(ids.Select(id => feed.Package(id, "snupkg")), ignoreOrder: true);
    }

    [Theory]
    [MemberData(nameof(Libraries))]
    public void A_library_is_there_for_both_frameworks_with_docs_and_symbols_and_brings_only_what_it_needs(string id, string[] onNet10, string[] onNet8)
    {
        using ZipArchive package = ZipFile.OpenRead(feed.Package(id)), symbols = ZipFile.OpenRead(feed.Package(id, "snupkg"));
        Names(package, "lib/").ShouldBe(Frameworks.SelectMany(framework => new[] { $"lib/{framework}/{id}.dll", $"lib/{framework}/{id}.xml" }), ignoreOrder: true);
        Names(symbols, "lib/").ShouldBe(Frameworks.Select(framework => $"lib/{framework}/{id}.pdb"), ignoreOrder: true);
        foreach (string framework in Frameworks)
            XDocument.Load(package.GetEntry($"lib/{framework}/{id}.xml")!.Open()).Descendants("member").ShouldNotBeEmpty();

        XElement metadata = Metadata(package);
        foreach ((string framework, string[] expected) in new[] { ("net10.0", onNet10), ("net8.0", onNet8) })
        {
            XElement group = Named(metadata, "group").Single(group => group.Attribute("targetFramework")!.Value == framework);
            Named(group, "dependency").Select(dependency => dependency.Attribute("id")!.Value).Order(StringComparer.Ordinal).ShouldBe(expected.Order(StringComparer.Ordinal));
            Named(group, "dependency").Where(dependency => dependency.Attribute("id")!.Value.StartsWith("Cairn", StringComparison.Ordinal))
                .ShouldAllBe(dependency => dependency.Attribute("version")!.Value == feed.Version);
        }
    }

    [Theory]
    [MemberData(nameof(Libraries))]
    public void A_library_says_what_it_is(string id, string[] onNet10, string[] onNet8) => Says(id, onNet10.Length + onNet8.Length);

    [Fact]
    public void The_tool_says_what_it_is_and_has_its_command()
    {
        Says("Cairn.Cli", 0);
        using ZipArchive package = ZipFile.OpenRead(feed.Package("Cairn.Cli"));
        Named(Metadata(package), "packageType").Single().Attribute("name")!.Value.ShouldBe("DotnetTool");
        using var settings = new StreamReader(package.Entries.Single(entry => entry.Name == "DotnetToolSettings.xml").Open());
        settings.ReadToEnd().ShouldContain("Command Name=\"cairn\"");
    }

    [Fact]
    public void The_template_says_what_it_is_and_asks_for_the_packages_beside_it()
    {
        Says("Cairn.Templates", 0);
        using ZipArchive package = ZipFile.OpenRead(feed.Package("Cairn.Templates"));
        Named(Metadata(package), "packageType").Single().Attribute("name")!.Value.ShouldBe("Template");
        using var project = new StreamReader(package.GetEntry("content/cairn-training/CairnTraining.csproj")!.Open());
        project.ReadToEnd().ShouldContain($"Include=\"Cairn.TorchSharp\" Version=\"{feed.Version}\"");
    }

    [Fact]
    public void The_package_for_TorchSharp_carries_the_build_task_and_the_targets_that_call_it()
    {
        using ZipArchive package = ZipFile.OpenRead(feed.Package("Cairn.TorchSharp"));
        Names(package, "tasks/").ShouldBe(["tasks/netstandard2.0/Cairn.TorchSharp.Build.dll"]);
        Names(package, "build").ShouldBe(["buildTransitive/Cairn.TorchSharp.targets"]);
    }

    [Fact]
    public void The_licence_of_the_repository_is_the_one_that_the_packages_name() =>
        File.ReadAllText(Path.Combine(Repository.Root, "LICENSE")).ShouldContain("Apache License\n                           Version 2.0, January 2004");

    [Fact]
    public void No_message_of_the_libraries_names_a_package_that_does_not_exist()
    {
        string[] named = [.. Directory.GetFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .SelectMany(file => PackageName().Matches(File.ReadAllText(file))).Select(match => match.Groups[1].Value + match.Groups[2].Value).Distinct(StringComparer.Ordinal)];
        named.ShouldContain(id => id == "Cairn.S3");
        named.ShouldAllBe(id => File.Exists(feed.Package(id)));
    }

    private void Says(string id, int dependencies)
    {
        using ZipArchive package = ZipFile.OpenRead(feed.Package(id));
        XElement metadata = Metadata(package);
        string Value(string name) => Named(metadata, name).Single().Value;

        Value("license").ShouldBe("Apache-2.0");
        Value("authors").ShouldNotBeEmpty();
        Value("description").Length.ShouldBeGreaterThan(30);
        Value("tags").Split(' ').Length.ShouldBeGreaterThan(5);
        Named(metadata, "dependency").Count().ShouldBe(dependencies);
        using var readme = new StreamReader(package.GetEntry(Value("readme"))!.Open());
        readme.ReadToEnd().ShouldStartWith($"# {id}\n");
        package.GetEntry(Value("icon"))!.Length.ShouldBeInRange(500, 10_000);
        if (Repository.IsGit)
            CommitId().IsMatch(Named(metadata, "repository").Single().Attribute("commit")!.Value).ShouldBeTrue();
    }

    private static XElement Metadata(ZipArchive package)
    {
        using Stream nuspec = package.Entries.Single(entry => entry.FullName.EndsWith(".nuspec", StringComparison.Ordinal)).Open();
        return XDocument.Load(nuspec).Root!;
    }

    private static IEnumerable<XElement> Named(XElement element, string name) => element.Descendants().Where(child => child.Name.LocalName == name);

    private static string[] Names(ZipArchive package, string start) =>
        [.. package.Entries.Select(entry => entry.FullName).Where(name => name.StartsWith(start, StringComparison.Ordinal))];

    [GeneratedRegex("[Pp]ackage = \"(Cairn[A-Za-z0-9.]*)\"|package (?:<c>)?(Cairn\\.[A-Za-z0-9]+)")]
    private static partial Regex PackageName();

    [GeneratedRegex("^[0-9a-f]{40}$")]
    private static partial Regex CommitId();
}
