using System.Buffers;
using Cairn.Checkpoints;
using Cairn.Formats.Safetensors;
using Cairn.Layouts;
using Cairn.Saving.Stages;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>Writes the files of a copy into their place: see <see cref="FilesWriter"/>.</summary>
internal static class CopyWriter
{
    private const int HeadBlock = 128 << 10;

    /// <summary>Writes and makes durable all files, or takes them over from the copy before, and opens each again as a resume does; their names are not durable yet.</summary>
    /// <param name="target">Opens the files.</param>
    /// <param name="save">The save, at its place.</param>
    /// <returns>What the others are told, and what this rank's next save compares with.</returns>
    /// <exception cref="CheckpointException">A file that was written could not be opened again.</exception>
    public static (RankReport Report, IReadOnlyList<FormerFile> Own) Write(ICopyTarget target, SaveInProgress save)
    {
        (string place, IReadOnlyList<PlannedFile> plan) = (save.Place!, save.Plan.Files);
        Dictionary<string, UnchangedFile> shared = Share(target, save);
        PlannedFile[] others = [.. plan.Where(planned => !shared.ContainsKey(planned.Name))];
        FileToWrite[] files = [.. others.Select(planned => new FileToWrite(planned.Name, planned.Content, () => target.Create(place, planned.Name, planned.Length), planned.LooksForNonFinite))];
        Dictionary<string, WrittenFile> written = FilesWriter.Write(files, _ => save.Progressed(), save.CancellationToken).Zip(files).ToDictionary(pair => pair.Second.Name, pair => pair.First, StringComparer.Ordinal);
        try
        {
            CheckReadable(target.Files, place, plan, CheckpointLayouts.Of(save.Marker.Layout));
        }
        catch
        {
            // Whatever is wrong with what was taken over, the next save does without it.
            foreach (string name in shared.Keys)
                save.Former!.Forget(name);
            throw;
        }
        FormerFile[] own =
        [
            .. plan.Select(planned => shared.TryGetValue(planned.Name, out UnchangedFile? unchanged) ? unchanged.Former with { IsDurable = true }
                : new FormerFile(new MarkedFile(planned.Name, planned.Length, written[planned.Name].Hashes), save.Former is null ? null : target.IdentityOf($"{place}/{planned.Name}"), IsDurable: true)),
        ];
        string? nonFinite = plan.Select(planned => shared.TryGetValue(planned.Name, out UnchangedFile? unchanged) ? unchanged.NonFiniteTensor : written[planned.Name].NonFiniteTensor).FirstOrDefault(static tensor => tensor is not null);
        return (new RankReport([.. own.Select(file => file.File)], nonFinite, shared.Values.Sum(file => file.Former.File.Length)), own);
    }

    // Those of the unchanged files that could be taken over: one that is not what it was any more is written anew.
    private static Dictionary<string, UnchangedFile> Share(ICopyTarget target, SaveInProgress save)
    {
        var shared = new Dictionary<string, UnchangedFile>(StringComparer.Ordinal);
        foreach ((string name, UnchangedFile file) in save.Unchanged)
        {
            LinkOutcome outcome = target.Share(file.Former, $"{save.Former!.Folder}/{name}", save.Place!);
            save.Progressed();
            if (outcome == LinkOutcome.Linked)
            {
                shared.Add(name, file);
                continue;
            }
            save.Former.Forget(name);
            if (outcome != LinkOutcome.Unsupported)
                continue;
            save.Former.NotSupported();
            save.Notes.Add($"{target.Files.Root} cannot share files between copies, so what has not changed is written again each time");
            break;
        }
        return shared;
    }

    // Limits of a reader that its writer does not know would else be found at the next start, when nothing can be done any more. A head that was opened before need only be there.
    private static void CheckReadable(IFileSource files, string folder, IReadOnlyList<PlannedFile> plan, ICheckpointLayout layout)
    {
        var unknown = new List<string>();
        foreach (PlannedFile planned in plan)
        {
            if (planned.Content is SafetensorsWriter { WasOpened: true } known)
                CheckHead(files, $"{folder}/{planned.Name}", known);
            else
                unknown.Add(planned.Name);
        }
        if (unknown.Count == 0)
            return;
        try
        {
            layout.CheckReadable(files, folder, unknown);
        }
        catch (CorruptCheckpointException e)
        {
            throw NotReadable(e.Path ?? folder, e.Message, e);
        }
        foreach (PlannedFile planned in plan)
        {
            if (planned.Content is SafetensorsWriter writer)
                writer.WasOpened = true;
        }
    }

    private static void CheckHead(IFileSource files, string path, SafetensorsWriter known)
    {
        ReadOnlySpan<byte> head = known.Header.Span;
        byte[] block = ArrayPool<byte>.Shared.Rent(Math.Min(head.Length, HeadBlock));
        try
        {
            using IReadableFile file = files.OpenRead(path);
            if (file.Length != known.Length)
                throw NotReadable(path, $"it has {file.Length} bytes and not {known.Length}");
            for (int at = 0; at < head.Length;)
            {
                int read = file.Read(at, block.AsSpan(0, Math.Min(block.Length, head.Length - at)));
                if (read <= 0 || !block.AsSpan(0, read).SequenceEqual(head.Slice(at, read)))
                    throw NotReadable(path, "its header is not the one that was written");
                at += read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }

    /// <summary>What was written is not what a resume would take.</summary>
    public static CheckpointException NotReadable(string what, string why, Exception? cause = null) => new(
        $"Nothing was saved: {what} was written, but could not be opened again ({why}). Make this part of the state smaller or flatter; if it is small, the disk gives back other bytes than it was given.", cause)
    { Path = what };
}
