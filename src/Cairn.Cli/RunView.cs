using Cairn.Commit;
using Cairn.Policies;
using Cairn.Resume;
using Cairn.Storage;

namespace Cairn.Cli;

/// <summary>A run's folder as the verbs see it: who it is, what stands in it, and what would be resumed.</summary>
internal sealed class RunView
{
    private RunView(LocalFileSystem files, RunRecord record, Catalog catalog)
    {
        Files = files;
        Record = record;
        Catalog = catalog;
    }

    public LocalFileSystem Files { get; }
    public RunRecord Record { get; }
    public Catalog Catalog { get; }

    /// <exception cref="CheckpointException">There is no such folder, or no run in it.</exception>
    public static RunView Open(string path)
    {
        string full = Path.GetFullPath(path.StartsWith("local:", StringComparison.Ordinal) ? path["local:".Length..] : path);
        if (!Directory.Exists(full))
            throw new CheckpointException($"There is no folder {full}. Give the folder of a run.") { Path = full };
        var files = new LocalFileSystem(full);
        Catalog catalog = Catalog.Read(files);
        RunRecord? record = RunRecord.LoadOrRebuild(files, catalog, out _);
        return record is null
            ? throw new CheckpointException($"{full} is not the folder of a run: there is no {RunFolder.Record} and no checkpoint in it.") { Path = full }
            : new RunView(files, record, catalog);
    }

    /// <summary>The copy that a restart would take.</summary>
    public ResumeChoice Choose(bool verifyHashes, CancellationToken cancellationToken) =>
        ResumeLadder.Choose(Files, Catalog, Record, verifyHashes, cancellationToken: cancellationToken);

    public bool IsOnLine(Marker marker) => (marker.IsForeign || marker.Run == Record.Id) && Record.Lineage.Contains(marker.Lineage.Current.Id, marker.Step);

    public static string KindOf(CatalogEntry entry) => entry.Kind == SaveKind.Checkpoint ? "checkpoint" : "snapshot";
}
