using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Stores;

namespace Cairn.Cli;

/// <summary>A run's folder as the verbs see it: who it is, what stands in it, and what would be resumed.</summary>
internal sealed class RunView
{
    private RunView(IFileSource files, RunRecord record, Catalog catalog)
    {
        Files = files;
        Record = record;
        Catalog = catalog;
    }

    public IFileSource Files { get; }

    /// <summary>Where the run lives, to change something in it.</summary>
    public IRunHome Home() => RunHome.Of(new CheckpointOptions { Folder = Files.Root });

    public RunRecord Record { get; }
    public Catalog Catalog { get; }

    /// <exception cref="CheckpointException">There is no such folder, or no run in it.</exception>
    public static RunView Open(string path)
    {
        string full = Listing.CopyListing.FullPath(path);
        IFileSource files = PlacePath.Open(full);
        if (!files.FolderExists(""))
            throw new CheckpointException($"There is no folder {full}. Give the folder of a run.") { Path = full };
        return TryOpen(files)
            ?? throw new CheckpointException($"{full} is not the folder of a run: there is no {RunFolder.Record} and no checkpoint of Cairn in it. Try: cairn ls {full}") { Path = full };
    }

    /// <summary>The run in a folder; <see langword="null"/> when it is not one.</summary>
    public static RunView? TryOpen(IFileSource files)
    {
        Catalog catalog = Catalog.Read(files);
        return RunRecord.LoadOrRebuild(files, catalog, out _) is { } record ? new RunView(files, record, catalog) : null;
    }

    /// <summary>The copy that a restart would take.</summary>
    public ResumeChoice Choose(bool verifyHashes, CancellationToken cancellationToken) =>
        ResumeLadder.Choose(Files, Catalog, Record, verifyHashes, cancellationToken: cancellationToken);

    /// <summary>Where a copy stands towards the line that the run is on.</summary>
    public CopyStanding StandingOf(Marker marker) => LineView.Of(Record).StandingOf(marker);

    public bool IsOnLine(Marker marker) => StandingOf(marker) == CopyStanding.OfLine;

    public static string KindOf(CatalogEntry entry) => entry.Kind == SaveKind.Checkpoint ? "checkpoint" : "snapshot";
}
