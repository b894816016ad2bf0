using Cairn.Commit;
using Cairn.Policies;
using Cairn.Storage;

namespace Cairn.Cli;

/// <summary>One checkpoint or snapshot by its path.</summary>
internal sealed record CheckpointPath(LocalFileSystem Files, CatalogEntry Entry, string Name)
{
    public long Bytes => Entry.Marker?.Files.Sum(file => file.Length) ?? 0;

    /// <summary>The copies that a path stands for: itself, or all of a run.</summary>
    /// <exception cref="CheckpointException">There is nothing at that path.</exception>
    public static IEnumerable<CheckpointPath> Expand(string path)
    {
        if (Single(path) is { } single)
            return [single];
        RunView run = RunView.Open(path);
        return run.Catalog.Entries.Select(entry => new CheckpointPath(run.Files, entry, Path.Join(path, entry.Folder)));
    }

    /// <summary>The one copy that a path stands for: itself, or what a restart of a run would take.</summary>
    /// <exception cref="CheckpointException">There is nothing good at that path.</exception>
    public static CheckpointPath One(string path)
    {
        CheckpointPath? copy = Single(path);
        if (copy is null)
        {
            RunView run = RunView.Open(path);
            CatalogEntry chosen = run.Choose(verifyHashes: false, default).Chosen
                ?? throw new CheckpointException($"{path} holds no complete checkpoint. Try: cairn ls {path}") { Path = path };
            copy = new CheckpointPath(run.Files, chosen, Path.Join(path, chosen.Folder));
        }
        return copy.Entry.Fault is { } fault
            ? throw new CorruptCheckpointException($"{copy.Name} cannot be used: {fault}. Try: cairn ls on its run") { Path = copy.Name }
            : copy;
    }

    // A folder that is named by a step, or holds a marker, is one copy.
    private static CheckpointPath? Single(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (!Directory.Exists(full) || File.Exists(Path.Join(full, RunFolder.Record)))
            return null;
        var parent = new LocalFileSystem(Path.GetDirectoryName(full) ?? full);
        string name = Path.GetFileName(full);
        if (RunFolder.IsStep(name, out long step))
            return new CheckpointPath(parent, CatalogEntry.At(parent, name, SaveKind.Checkpoint, step), path);
        CatalogEntry slot = Catalog.Snapshot(parent, name);
        return slot.Step == CatalogEntry.NoStep ? null : new CheckpointPath(parent, slot, path);
    }
}
