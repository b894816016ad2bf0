using Cairn.Cli.Verbs;
using Cairn.Opening;
using Cairn.Stores;
using Cairn.Tiers;

namespace Cairn.Cli.Runs;

/// <summary>The copies of a run that stand in the fast folder of this machine, and that the run's own place has not got.</summary>
internal static class FastFolder
{
    public const string Recoverable = "recoverable";

    /// <summary>Lists them. Where the folder is, the run says in its progress; on another machine there is none.</summary>
    public static IReadOnlyList<(LsRow Row, CatalogEntry Copy)> CopiesOf(RunView? run)
    {
        if (run is null || RunProgress.Read(run.Files)?.FastFolder is not { } folder || !Directory.Exists(folder))
            return [];
        var files = new LocalFileSystem(folder);
        var line = LineView.Of(run.Record);
        long newest = run.Catalog.Entries.FirstOrDefault(line.Holds)?.Step ?? 0;
        return
        [
            .. new FastPlace(files).Copies().OfType<FastCopy>().Where(copy => run.IsOnLine(copy.Marker) && !TierOpening.IsAtHome(copy.Marker.Kind, copy.Marker.Step, line, run.Catalog, newest))
                .Select(copy => (new LsRow(
                    $"{folder}/{copy.Folder}", copy.Marker.Layout, copy.Marker.Step, copy.Marker.Kind.ToString().ToLowerInvariant(), null, copy.Marker.Reason.ToString().ToLowerInvariant(), copy.Marker.Time,
                    copy.Marker.Files.Where(file => copy.Names.Contains(file.Name)).Sum(file => file.Length), copy.Names.Count, copy.IsWhole ? Recoverable : "in part", null,
                    copy.Marker.Lineage.Current.Name, false), CatalogEntry.At(files, copy.Folder, copy.Marker.Kind, copy.Marker.Step))),
        ];
    }
}
