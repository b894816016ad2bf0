using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>A snapshot was not committed because its weights hold NaN or infinity.</summary>
public sealed class NonFiniteStateException(string tensor) : CheckpointException(
    $"The snapshot was not kept: the weights hold NaN or infinity, first in '{tensor}'. The snapshots before it stand; set RefuseNonFiniteSnapshots to false to save such state all the same.")
{
    /// <summary>The first tensor found.</summary>
    public string Tensor { get; } = tensor;
}

/// <summary>
/// The order of operations that makes a copy complete or absent. One thread at a time, under the run's lock.
/// The files are written into a place that is no copy yet, and each is made durable and opened again; the marker is the last of them; then the store's
/// publisher gives the copy its name at once. What a job of many ranks does instead of <see cref="Save"/> stands at <see cref="JobCommit"/>.
/// </summary>
/// <param name="publisher">How the store makes a copy complete or absent.</param>
internal sealed class CommitProtocol(ICopyPublisher publisher)
{
    /// <summary>On a disk.</summary>
    public CommitProtocol(IFileSystem files, ILease? lease = null) : this(new RenamePublisher(files, lease)) { }

    /// <summary>What a commit did.</summary>
    /// <param name="Entry">The new copy.</param>
    /// <param name="Bytes">Bytes of all its files but the marker.</param>
    /// <param name="NonFiniteTensor">A tensor of the model that holds NaN or infinity.</param>
    /// <param name="Notes">What stood in the way and was moved or given up, in words.</param>
    public sealed record Result(CatalogEntry Entry, long Bytes, string? NonFiniteTensor, IReadOnlyList<string> Notes)
    {
        /// <summary>Whether some ranks have not heard of it.</summary>
        internal bool IsDisturbed { get; init; }
    }

    /// <summary>Writes a copy and commits it.</summary>
    /// <param name="marker">The marker without its files.</param>
    /// <param name="plan">The files.</param>
    /// <param name="refuseNonFinite">Whether a snapshot with NaN or infinity in the model is given up.</param>
    /// <param name="cancellationToken">Gives the save up before its commit.</param>
    /// <exception cref="IOException">The file system refused; nothing that was committed before has changed.</exception>
    /// <exception cref="StoreException">There is not enough space.</exception>
    /// <exception cref="NonFiniteStateException">A snapshot was refused.</exception>
    /// <exception cref="CheckpointException">What is to be written could not be opened again.</exception>
    public Result Save(Marker marker, IReadOnlyList<PlannedFile> plan, bool refuseNonFinite, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(marker);
        ArgumentNullException.ThrowIfNull(plan);
        // What no reader would take is refused before a byte is written.
        _ = marker.ToBytes();
        var notes = new List<string>();
        long bytes = plan.Sum(file => file.Length);
        string place = publisher.Prepare(marker, bytes, isShared: false, notes);
        CopyWriter.Written written;
        try
        {
            written = CopyWriter.Write(publisher, place, plan, CheckpointLayouts.Of(marker.Layout), cancellationToken);
            if (marker.Kind == SaveKind.Snapshot && refuseNonFinite && written.NonFiniteTensor is { } tensor)
                throw new NonFiniteStateException(tensor);
            publisher.Seal(place, marker with { Files = written.Files });
        }
        catch
        {
            publisher.Discard(place);
            throw;
        }
        return new Result(publisher.Publish(place, marker, notes), bytes, written.NonFiniteTensor, notes);
    }
}
