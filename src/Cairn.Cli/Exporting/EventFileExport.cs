using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Cli.Runs;
using Cairn.Journal;
using Cairn.Opening;
using Cairn.Stores;
using Cairn.TensorBoard;

namespace Cairn.Cli.Exporting;

/// <summary>Writes the event file of a run for TensorBoard. It has the same name each time, so that an export takes the place of the earlier one of the same run, and of no other file.</summary>
internal static class EventFileExport
{
    /// <summary>Writes it.</summary>
    /// <param name="place">The run's whole path.</param>
    /// <param name="folder">The folder to write it into.</param>
    /// <exception cref="CheckpointException">There is no journal, or the folder holds event files that this would double.</exception>
    public static (string File, long Bytes, Scalar[] Points) Write(string place, string folder)
    {
        IFileSource run = PlacePath.Open(place);
        if (!JournalFile.Exists(run))
            throw new CheckpointException($"{place} holds no {RunFolder.Journal}, of which the curves are made. Give the folder or address of a run of Cairn.") { Path = place };
        RunRecord? record = RecordOf(run);
        var scalars = new JournalScalars(record?.Lineage);
        foreach (JsonElement line in new JournalTail(run).Events())
            scalars.Take(line);
        Scalar[] points = scalars.Line();
        DateTimeOffset began = scalars.Started ?? DateTimeOffset.UnixEpoch;
        string name = EventFileName.Of(Math.Max(0, began.ToUnixTimeSeconds()), $"cairn-export.{record?.Id ?? "run"}");
        RefuseOthers(folder, name);
        byte[] bytes = [.. EventRecord.FileVersion(began), .. EventRecord.Start(began, 0), .. EventRecord.Scalars(points)];
        Directory.CreateDirectory(folder);
        string path = Path.Join(folder, name);
        // TensorBoard must not find half of it; it reads no file of this name.
        string beside = Path.Join(folder, $".cairn-export.{Guid.NewGuid().ToString("N")[..8]}");
        try
        {
            File.WriteAllBytes(beside, bytes);
            File.Move(beside, path, overwrite: true);
        }
        catch
        {
            File.Delete(beside);
            throw;
        }
        return (path, bytes.Length, points);
    }

    // TensorBoard shows all files of a folder as one run.
    private static void RefuseOthers(string folder, string own)
    {
        if (Directory.Exists(folder) && Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path)).FirstOrDefault(name => name != own && EventFileName.Is(name)) is { } other)
        {
            throw new CheckpointException($"{folder} holds an event file already ({other}), which is no export of this run: TensorBoard would show both as one run. Nothing was written there. Give --tensorboard another folder.")
            { Path = folder };
        }
    }

    private static RunRecord? RecordOf(IFileSource run)
    {
        try
        {
            return RunRecord.LoadOrRebuild(run, Catalog.Read(run), out _);
        }
        catch (CorruptCheckpointException)
        {
            return null;
        }
    }
}
