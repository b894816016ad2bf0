using Cairn.Checkpoints;
using Cairn.Cli.Verbs;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Cli.Listing;

/// <summary>What stands in a run's folder and is no copy of its: what a restart does not look at, and nothing removes by itself.</summary>
/// <param name="Name">The folder in the run.</param>
/// <param name="Bytes">Bytes of its files.</param>
/// <param name="What">What it is, in words.</param>
internal sealed record LeftOver(string Name, long Bytes, string What)
{
    /// <summary>As results show them; <see langword="null"/> when there is nothing.</summary>
    public static IReadOnlyList<LeftOverRow>? Rows(IReadOnlyList<LeftOver> all) => all.Count > 0 ? [.. all.Select(left => new LeftOverRow(left.Name, left.Bytes, left.What))] : null;

    /// <summary>The step of a copy.</summary>
    public long? Step { get; init; }

    /// <summary>Who needs it.</summary>
    public IReadOnlyList<CheckpointPin> Pins { get; init; } = [];

    /// <summary>Whether it is a copy that was moved aside, and not files that are being written or kept to be overwritten.</summary>
    public bool IsAbandoned => Name.StartsWith(RunFolder.Abandoned + "/", StringComparison.Ordinal);

    /// <summary>All that is left over in a run, each copy by itself.</summary>
    public static IReadOnlyList<LeftOver> In(IFileSource files)
    {
        var all = new List<LeftOver>();
        var pins = CopyPins.Read(files);
        foreach (string name in files.List(RunFolder.Abandoned).Where(entry => entry.IsFolder).Select(entry => $"{RunFolder.Abandoned}/{entry.Name}").Order(StringComparer.Ordinal))
        {
            CatalogEntry copy = Catalog.Snapshot(files, name);
            string what = (copy.Written ?? CatalogEntry.At(files, name, SaveKind.Checkpoint, copy.Step).Written) is { } marker ? $"a {marker.Kind.ToString().ToLowerInvariant()} that stood in the way of another" : "what stood in the way of a copy";
            all.Add(new LeftOver(name, BytesOf(files, name), what) { Step = copy.Step == CatalogEntry.NoStep ? null : copy.Step, Pins = [.. pins.Of(copy)] });
        }
        foreach (string staging in (string[])[RunFolder.Staging, $"{RunFolder.Snapshots}/{RunFolder.Staging}"])
        {
            if (BytesOf(files, staging) is > 0 and var staged)
                all.Add(new LeftOver(staging, staged, "being written, or kept to be overwritten by the next save"));
        }
        return all;
    }

    // What a copy has too comes free with that.
    private static long BytesOf(IFileSource files, string folder) => Math.Min(FolderFiles.Of(files, folder).Bytes, (files as IFileSystem)?.ReclaimableBytes(folder) ?? long.MaxValue);
}
