using System.IO.Hashing;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Saving.Stages;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>Writes the files of a copy into their place: one pass over memory that writes, hashes and looks for NaN and infinity.</summary>
internal static class CopyWriter
{
    /// <summary>Writes and makes durable all files, and opens each again as a resume does; their names are not durable yet.</summary>
    /// <param name="publisher">Opens the files.</param>
    /// <param name="place">Where they are written.</param>
    /// <param name="plan">The files.</param>
    /// <param name="layout">The layout of the files.</param>
    /// <param name="cancellationToken">Gives up between two blocks.</param>
    /// <param name="progressed">Called after each block and each file.</param>
    /// <exception cref="CheckpointException">A file that was written could not be opened again.</exception>
    public static RankReport Write(ICopyPublisher publisher, string place, IReadOnlyList<PlannedFile> plan, ICheckpointLayout layout, CancellationToken cancellationToken, Action? progressed = null)
    {
        var marked = new List<MarkedFile>(plan.Count);
        string? nonFinite = null;
        foreach (PlannedFile planned in plan)
        {
            var hash = new XxHash128();
            long length = 0;
            bool scan = planned.Part == "model";
            using (IWritableFile file = publisher.Create(place, planned.Name, planned.Length))
            {
                planned.WriteTo((bytes, type, name) =>
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    hash.Append(bytes);
                    if (scan && nonFinite is null && type is { } element && NonFinite.IsIn(bytes, element))
                        nonFinite = name;
                    file.Write(bytes);
                    length += bytes.Length;
                    progressed?.Invoke();
                });
                if (length != planned.Length)
                    throw new InvalidOperationException($"{planned.Name} was planned with {planned.Length} bytes and has {length}.");
                file.Sync();
            }
            progressed?.Invoke();
            marked.Add(new MarkedFile(planned.Name, length, Convert.ToHexStringLower(hash.GetCurrentHash())));
        }
        CheckReadable(publisher.Files, place, [.. marked.Select(file => file.Name)], layout);
        return new RankReport(marked, nonFinite);
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
