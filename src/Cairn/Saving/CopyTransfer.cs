using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Ranks;
using Cairn.Saving.Stages;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>
/// Brings a copy to another run: a save whose files come from the copy instead of from memory. It goes through the same stages, and so is complete there or absent, and it gets its name
/// only when what arrived is what the copy's marker vouches for.
/// </summary>
internal static class CopyTransfer
{
    /// <summary>Brings a copy of Cairn to another run.</summary>
    /// <param name="from">Where it stands.</param>
    /// <param name="entry">The copy; complete.</param>
    /// <param name="to">The other run. What stands there under the same name is moved aside.</param>
    /// <param name="cancellationToken">Gives it up before it has its name.</param>
    /// <exception cref="CorruptCheckpointException">A file of the copy is not what its marker vouches for. Nothing has its name.</exception>
    /// <exception cref="CopyChangedException">The copy was replaced or removed meanwhile.</exception>
    /// <exception cref="IOException">One of the two stores refused.</exception>
    /// <exception cref="StoreException">There is not enough space.</exception>
    public static SavedCopy Run(IFileSource from, CatalogEntry entry, ICopyPublisher to, CancellationToken cancellationToken = default) =>
        Run(from, entry, to, null, readBack: false, static files => files, cancellationToken);

    /// <summary>As above; all that is read goes through a file source of the caller's.</summary>
    /// <param name="from">Where it stands.</param>
    /// <param name="entry">The copy; complete.</param>
    /// <param name="to">The other run.</param>
    /// <param name="former">What was brought there before, of which a file that has not changed is not sent again; <see langword="null"/> to send all.</param>
    /// <param name="readBack">Whether what arrived is read back and compared before it gets its name.</param>
    /// <param name="watched">Passes reads on, and may count them.</param>
    /// <param name="cancellationToken">Gives it up before it has its name.</param>
    /// <exception cref="StoreException">What was read back is not what was brought.</exception>
    public static SavedCopy Run(IFileSource from, CatalogEntry entry, ICopyPublisher to, FormerFiles? former, bool readBack, Func<IFileSource, IFileSource> watched, CancellationToken cancellationToken)
    {
        Marker marker = entry.Marker is { IsDerived: false } own ? own : throw new ArgumentException("Only a complete copy of Cairn can be transferred.", nameof(entry));
        using HeldCopy held = entry.Hold(from) ?? throw entry.Changed();
        Action<string>? confirm = readBack ? place => ReadBack(watched(to.Files), place, marker, cancellationToken) : null;
        return new CommitProtocol(to, static () => TimeSpan.Zero, former).Save(Of(watched(held), entry.Folder, marker, marker.Files, RankGroup.Single, RankGroup.StandardTimeout, static () => { }, cancellationToken, confirm));
    }

    /// <summary>The save that brings files of a copy to another run.</summary>
    /// <param name="from">The copy's files.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="marker">Its marker.</param>
    /// <param name="own">The files that this rank brings.</param>
    /// <param name="ranks">The ranks that bring them together.</param>
    /// <param name="timeout">Longest wait for another rank.</param>
    /// <param name="progressed">Called after each block and each word of another rank.</param>
    /// <param name="cancellationToken">Gives it up before it has its name.</param>
    /// <param name="confirm">Looks at what arrived, in the place where it was written, before it gets its name.</param>
    public static SaveInProgress Of(
        IFileSource from, string folder, Marker marker, IReadOnlyList<MarkedFile> own, RankGroup ranks, TimeSpan timeout, Action progressed, CancellationToken cancellationToken, Action<string>? confirm = null)
    {
        SaveInProgress? save = null;
        save = new SaveInProgress(ranks, marker with { Attempt = null, Fence = null, Token = null, Files = [] }, () => Plan(from, folder, own), refuseNonFinite: false, timeout)
        {
            Vouched = marker.Files,
            Progressed = progressed,
            Confirm = () => confirm?.Invoke(save!.Place!),
            CancellationToken = cancellationToken,
        };
        return save;
    }

    private static PlannedFile[] Plan(IFileSource from, string folder, IReadOnlyList<MarkedFile> files) =>
        [.. files.Select(file => new PlannedFile("", file.Name, new StoredContent(from, $"{folder}/{file.Name}", file)))];

    private static void ReadBack(IFileSource files, string place, Marker marker, CancellationToken cancellationToken)
    {
        if (Verifier.FaultIn(files, place, marker, cancellationToken) is { } fault)
            throw new StoreException($"What arrived in {files.Root} is not what was sent: {fault.Path}: {fault.Reason}. It gets no name; what stood there is as it was.") { Step = marker.Step, Path = fault.Path };
    }
}
