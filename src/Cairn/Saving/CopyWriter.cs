using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Saving.Stages;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>Writes the files of a copy into their place: see <see cref="FilesWriter"/>.</summary>
internal static class CopyWriter
{
    /// <summary>Writes and makes durable all files, and opens each again as a resume does; their names are not durable yet.</summary>
    /// <param name="publisher">Opens the files.</param>
    /// <param name="place">Where they are written.</param>
    /// <param name="plan">The files.</param>
    /// <param name="layout">The layout of the files.</param>
    /// <param name="cancellationToken">Gives up between two blocks.</param>
    /// <param name="progressed">Called after each block and each file; by several threads at once.</param>
    /// <exception cref="CheckpointException">A file that was written could not be opened again.</exception>
    public static RankReport Write(ICopyPublisher publisher, string place, IReadOnlyList<PlannedFile> plan, ICheckpointLayout layout, CancellationToken cancellationToken, Action? progressed = null)
    {
        FileToWrite[] files = [.. plan.Select(planned => new FileToWrite(planned.Name, planned.Content, () => publisher.Create(place, planned.Name, planned.Length), LooksForNonFinite: planned.Part == "model"))];
        IReadOnlyList<WrittenFile> written = FilesWriter.Write(files, _ => progressed?.Invoke(), cancellationToken);
        CheckReadable(publisher.Files, place, [.. plan.Select(planned => planned.Name)], layout);
        return new RankReport([.. plan.Zip(written, (planned, file) => new MarkedFile(planned.Name, planned.Length, file.Hashes))], written.Select(file => file.NonFiniteTensor).FirstOrDefault(tensor => tensor is not null));
    }

    // Limits of a reader that its writer does not know would else be found at the next start, when nothing can be done any more.
    private static void CheckReadable(IFileSource files, string folder, IReadOnlyList<string> names, ICheckpointLayout layout)
    {
        try
        {
            layout.CheckReadable(files, folder, names);
        }
        catch (CorruptCheckpointException e)
        {
            throw NotReadable(e.Path ?? folder, e.Message, e);
        }
    }

    /// <summary>What was written is not what a resume would take.</summary>
    public static CheckpointException NotReadable(string what, string why, Exception? cause = null) => new(
        $"Nothing was saved: {what} was written, but could not be opened again ({why}). Make this part of the state smaller or flatter; if it is small, the disk gives back other bytes than it was given.", cause)
    { Path = what };
}
