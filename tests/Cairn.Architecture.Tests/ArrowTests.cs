using ArchUnitNET.Domain;
using ArchUnitNET.Domain.Extensions;
using ArchUnitNET.Loader;

namespace Cairn.Architecture.Tests;

/// <summary>The folders of the library stand in a line, and each uses only those before it.</summary>
public class ArrowTests
{
    private const string Errors = "errors", Contracts = "contracts", Manager = "manager";

    // What a user meets and the folders tell each other in: options, counters, reports. The manager alone connects everything.
    private static readonly string[] OfTheManager = ["CheckpointManager", "CheckpointManagerFactory", "CheckpointPins"];

    // Each folder, in the order of the line, and all that it uses. Everything may use the errors.
    private static readonly (string Folder, string[] Uses)[] Line =
    [
        ("State", []),
        ("Policies", []),
        ("Checkpoints", ["State", "Policies"]),
        ("Stores", []),
        ("Formats", ["State", "Stores"]),
        ("Capture", ["State", "Stores"]),
        ("Ranks", ["State", "Checkpoints"]),
        ("Layouts", ["State", "Policies", "Checkpoints", "Stores", "Formats"]),
        ("Inspection", ["State"]),
        ("Alerts", []),
        ("TensorBoard", []),
        (Contracts, ["State", "Policies", "Checkpoints", "Stores", "Ranks", "Alerts"]),
        ("Telemetry", ["Policies", "Checkpoints", "Ranks", Contracts]),
        ("Journal", ["State", "Policies", "Checkpoints", "Stores", Contracts, "Telemetry"]),
        ("Opening", ["State", "Policies", "Checkpoints", "Stores", "Formats", "Ranks", "Layouts", Contracts]),
        ("Saving", ["State", "Policies", "Checkpoints", "Stores", "Formats", "Capture", "Ranks", "Layouts", Contracts, "Telemetry", "Opening"]),
        ("Tiers", ["Policies", "Checkpoints", "Stores", "Ranks", "Layouts", Contracts, "Telemetry", "Opening", "Saving"]),
        ("Conversion", ["State", "Checkpoints", "Stores", "Formats", "Layouts", "Opening", "Saving"]),
        ("Configuration", ["State", "Stores", "Layouts", "Alerts", Contracts]),
        ("Starting", ["State", "Policies", "Checkpoints", "Stores", "Capture", "Ranks", "Layouts", Contracts, "Telemetry", "Journal", "Opening", "Saving", "Tiers"]),
        ("Stopping", ["State", "Stores", Contracts, "Telemetry", "Journal"]),
        ("Running", ["State", "Policies", "Checkpoints", "Stores", "Capture", "Ranks", "Layouts", "Alerts", "TensorBoard", Contracts, "Telemetry", "Journal", "Opening", "Saving", "Tiers", "Starting", "Stopping"]),
        (Manager, ["State", "Checkpoints", "Stores", "Ranks", Contracts, "Opening", "Saving", "Configuration", "Starting", "Running"]),
    ];

    [Fact]
    public void Every_arrow_is_drawn_and_every_drawn_arrow_is_there()
    {
        HashSet<(string From, string To)> arrows = Arrows();
        string[] order = [.. Line.Select(folder => folder.Folder)];
        // As the library is, for whoever draws it anew.
        foreach (string folder in order)
            TestContext.Current.TestOutputHelper!.WriteLine($"{folder,-14}{string.Join(", ", arrows.Where(arrow => arrow.From == folder).Select(arrow => arrow.To).OrderBy(used => Array.IndexOf(order, used)))}");
        arrows.Select(arrow => $"{arrow.From} -> {arrow.To}").ShouldBe(Line.SelectMany(folder => folder.Uses.Select(used => $"{folder.Folder} -> {used}")), ignoreOrder: true);
    }

    [Fact]
    public void No_folder_uses_one_that_stands_behind_it()
    {
        string[] order = [Errors, .. Line.Select(folder => folder.Folder)];
        foreach ((string from, string to) in Arrows())
            Array.IndexOf(order, to).ShouldBeLessThan(Array.IndexOf(order, from), $"{from} -> {to}");
    }

    private static HashSet<(string From, string To)> Arrows()
    {
        ArchUnitNET.Domain.Architecture library = new ArchLoader().LoadAssemblies(typeof(CheckpointManager).Assembly).Build();
        var arrows = new HashSet<(string, string)>();
        foreach (IType type in library.Types.Where(IsOurs))
        {
            string from = FolderOf(type);
            foreach (IType used in type.GetTypeDependencies().Where(IsOurs))
            {
                string to = FolderOf(used);
                if (to != from && to != Errors)
                    arrows.Add((from, to));
            }
        }
        return arrows;
    }

    private static bool IsOurs(IType type) => type.Namespace?.FullName is { } name && (name == nameof(Cairn) || name.StartsWith("Cairn.", StringComparison.Ordinal));

    private static string FolderOf(IType type)
    {
        string[] path = type.Namespace.FullName.Split('.');
        if (path.Length > 1)
            return path[1];
        string outer = type.FullName.Split('.')[^1].Split('+', '/')[0];
        return OfTheManager.Contains(outer) ? Manager : outer.EndsWith("Exception", StringComparison.Ordinal) && outer != nameof(StateMismatchException) || outer is "PrintableText" or "Quantities" ? Errors : Contracts;
    }
}
