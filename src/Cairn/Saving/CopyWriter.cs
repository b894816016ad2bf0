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

    /// <summary>Writes and makes durable all files, and opens each again as a resume does; their names are not durable yet.</summary>
    /// <param name="target">Opens the files.</param>
    /// <param name="place">Where they are written.</param>
    /// <param name="plan">The files.</param>
    /// <param name="layout">The layout of the files.</param>
    /// <param name="cancellationToken">Gives up between two blocks.</param>
    /// <param name="progressed">Called after each block and each file; by several threads at once.</param>
    /// <exception cref="CheckpointException">A file that was written could not be opened again.</exception>
    public static RankReport Write(ICopyTarget target, string place, IReadOnlyList<PlannedFile> plan, ICheckpointLayout layout, CancellationToken cancellationToken, Action? progressed = null)
    {
        FileToWrite[] files = [.. plan.Select(planned => new FileToWrite(planned.Name, planned.Content, () => target.Create(place, planned.Name, planned.Length), LooksForNonFinite: planned.Part == "model"))];
        IReadOnlyList<WrittenFile> written = FilesWriter.Write(files, _ => progressed?.Invoke(), cancellationToken);
        CheckReadable(target.Files, place, plan, layout);
        return new RankReport([.. plan.Zip(written, (planned, file) => new MarkedFile(planned.Name, planned.Length, file.Hashes))], written.Select(file => file.NonFiniteTensor).FirstOrDefault(tensor => tensor is not null));
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
