using Cairn.Checkpoints;
using Cairn.Opening;

namespace Cairn.Saving;

/// <summary>
/// How a store makes a copy complete or absent. The calls of one save come in this order: <see cref="Prepare"/> on the first rank; <see cref="ICopyTarget.Create"/> for each
/// file and then <see cref="ICopyTarget.Settle"/> on every rank; <see cref="Seal"/> and <see cref="Publish"/> on the first rank, or <see cref="Discard"/>. One save at a time, under the run's lock.
/// Until <see cref="Publish"/> begins, no reader takes what was written for a copy; once it has returned, every byte is durable under the copy's name.
/// </summary>
internal interface ICopyPublisher : ICopyTarget
{
    /// <summary>Ends what a crash interrupted, and removes what no save will end. Call once, at the start.</summary>
    void Recover();

    /// <summary>Makes room for a copy, and a place in which its files are written.</summary>
    /// <param name="marker">The marker without its files.</param>
    /// <param name="bytes">Bytes of all files.</param>
    /// <param name="isShared">Whether other processes write into the place: one that is late with an earlier save must not find it.</param>
    /// <param name="notes">Takes what was given up, in words.</param>
    /// <returns>The place.</returns>
    /// <exception cref="StoreException">There is not enough space.</exception>
    /// <exception cref="RunLockLostException">The run is another process's by now.</exception>
    string Prepare(Marker marker, long bytes, bool isShared, List<string> notes);

    /// <summary>Takes the marker of a copy whose files are durable, once it is known that a resume could read it.</summary>
    /// <exception cref="CheckpointException">What was written is not a copy that could be opened again.</exception>
    /// <exception cref="RunLockLostException">The run is another process's by now.</exception>
    void Seal(string place, Marker marker);

    /// <summary>Gives a sealed copy its name.</summary>
    /// <param name="place">Where it was written.</param>
    /// <param name="marker">The marker without its files.</param>
    /// <param name="notes">Takes what stood in the way and was moved, in words.</param>
    CatalogEntry Publish(string place, Marker marker, List<string> notes);

    /// <summary>The folder in which the files of a published copy stand.</summary>
    /// <param name="place">Where they were written.</param>
    /// <param name="copy">The copy.</param>
    string FolderOf(string place, CatalogEntry copy);

    /// <summary>Brings a copy of another program, which has its own mark among its files: all of them are there before the mark is, or before the folder has its name.</summary>
    /// <param name="marker">What is known of the copy; nothing of it is written.</param>
    /// <param name="copy">Writes the files and looks at them.</param>
    /// <param name="notes">Takes what stood in the way and was moved, in words.</param>
    /// <exception cref="RunLockLostException">The run is another process's by now.</exception>
    CatalogEntry TakeAsItIs(Marker marker, IUnmarkedCopy copy, List<string> notes);

    /// <summary>Removes what was written for a copy, as far as that can be done. Never throws for what the store refuses.</summary>
    void Discard(string place);

    /// <summary>Removes a checkpoint: it loses its name at once, and its bytes after that. One that somebody has pinned stays (<see cref="CheckpointPin"/>).</summary>
    /// <returns>Whether it is gone.</returns>
    /// <exception cref="RunLockLostException">The run is another process's by now, which may need it.</exception>
    bool Retire(long step);

    /// <summary>Removes a copy that was moved aside, its marks first.</summary>
    /// <param name="name">Its name in <c>abandoned/</c>.</param>
    /// <exception cref="RunLockLostException">The run is another process's by now.</exception>
    void RemoveAbandoned(string name);

    /// <summary>Takes from a checkpoint what its smaller marker does not list any more: at every moment it is complete, with that or without it.</summary>
    /// <param name="entry">The checkpoint; when its marker is that already, what was left over is removed.</param>
    /// <param name="smaller">The smaller marker.</param>
    /// <returns>Whether it was done: what somebody has pinned stays as it is.</returns>
    /// <exception cref="RunLockLostException">The run is another process's by now.</exception>
    bool Shrink(CatalogEntry entry, Marker smaller);
}
