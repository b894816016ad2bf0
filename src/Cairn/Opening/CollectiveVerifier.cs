using Cairn.Checkpoints;
using Cairn.Layouts.InternLm;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>
/// Verifies copies with all ranks, each reading its share of the files: the first goes down the ladder (<see cref="Verify(IFileSource, CatalogEntry)"/>, then <see cref="End"/>), the others
/// <see cref="Follow"/>. While ranks read, all say once a second that they are alive, so the time-out bounds silence and not the reading.
/// What was verified last is held on to, so that what is opened afterwards is what was verified.
/// </summary>
internal sealed class CollectiveVerifier(RankGroup ranks, ResumePlaces places, TimeSpan timeout, CancellationToken cancellationToken) : IDisposable
{
    private readonly SpareMemory _spare = new();
    private (string Root, string Folder, VerifiedCopy Copy)? _held;

    private const string Next = "start: what to verify", Progress = "start: verifying";
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);

    /// <summary>On the first rank: reads a copy together with the others.</summary>
    public CheckpointFault? Verify(IFileSource files, CatalogEntry entry) => ranks.Size == 1 ? VerifyOwn(files, entry) : Verify(files, entry, entry.Folder);

    /// <summary>On the first rank: reads weights without a marker together with the others.</summary>
    public CheckpointFault? Verify(IFileSource files, string folder) => ranks.Size == 1 ? VerifyWeights(files, folder) : Verify(files, null, folder);

    private CheckpointFault? Verify(IFileSource files, CatalogEntry? entry, string folder)
    {
        Tell(to =>
        {
            to.Write(true);
            places.Write(to, files);
            to.Write(folder);
            to.Write(entry is not null);
            if (entry is null)
                return;
            to.Write((byte)entry.Kind);
            to.Write(entry.Step);
            to.Write(entry.MarkerDigest);
        });
        return VerifyShare(folder, Verification(files, entry, folder, entry?.MarkerDigest ?? 0));
    }

    /// <summary>On the first rank: there is nothing more to verify.</summary>
    public void End() => Tell(to => to.Write(false));

    /// <summary>On the other ranks: reads what the first says, until it ends.</summary>
    public void Follow()
    {
        while (true)
        {
            byte[] command = ranks.Agree(Next, default, _ => [], timeout, cancellationToken);
            (string Folder, Func<CheckpointFault?> Verification)? copy = RankMessages.Read(command, from =>
            {
                if (!from.ReadBoolean())
                    return ((string, Func<CheckpointFault?>)?)null;
                IFileSource files = places.Read(from);
                string folder = from.ReadString();
                return !from.ReadBoolean() ? (folder, Verification(files, null, folder, 0))
                    : (folder, Verification(files, CatalogEntry.At(files, folder, (SaveKind)from.ReadByte(), from.ReadInt64()), folder, from.ReadUInt128()));
            });
            if (copy is not { } next)
                return;
            VerifyShare(next.Folder, next.Verification);
        }
    }

    /// <summary>Where the files of a complete copy are read: held open, and from memory as far as they were verified by this rank and are there.</summary>
    /// <exception cref="CopyChangedException">The copy was replaced or removed since it was chosen.</exception>
    public VerifiedCopy Hold(IFileSource files, CatalogEntry entry)
    {
        if (_held is { } held && held.Root == files.Root && held.Folder == entry.Folder && held.Copy.MarkerDigest == entry.MarkerDigest)
            return held.Copy;
        Dispose();
        var copy = new VerifiedCopy(entry.Hold(files) ?? throw entry.Changed(), entry.Folder, _spare);
        _held = (files.Root, entry.Folder, copy);
        return copy;
    }

    /// <summary>Lets go of the copy that is held.</summary>
    public void Dispose()
    {
        _held?.Copy.Dispose();
        _held = null;
    }

    private void Tell(Action<BinaryWriter> command) => _ = ranks.Agree(Next, default, _ => RankMessages.Write(command), timeout, cancellationToken);

    private CheckpointFault? VerifyOwn(IFileSource files, CatalogEntry entry)
    {
        try
        {
            return entry.Fault ?? Verifier.Verify(Hold(files, entry), entry, ranks.World, ranks.Rank, cancellationToken);
        }
        catch (CopyChangedException)
        {
            return CheckpointFault.Changed(entry.Folder);
        }
    }

    private CheckpointFault? VerifyWeights(IFileSource files, string folder)
    {
        Marker marker = ResumeSource.Weights(files, folder, folder).Marker;
        return InternLmCopy.Verify(files, folder, marker, Verifier.Assigned(marker.Files, ranks.Rank, ranks.Size), cancellationToken);
    }

    // Another rank may see a newer copy in the same place.
    private Func<CheckpointFault?> Verification(IFileSource files, CatalogEntry? entry, string folder, UInt128 digest) =>
        entry is null ? () => VerifyWeights(files, folder)
        : () => entry.Marker is not null && entry.MarkerDigest != digest ? CheckpointFault.Changed(folder) : VerifyOwn(files, entry);

    private CheckpointFault? VerifyShare(string folder, Func<CheckpointFault?> verification)
    {
        Task<CheckpointFault?> reading = Task.Run(verification, CancellationToken.None);
        while (true)
        {
            ((IAsyncResult)reading).AsyncWaitHandle.WaitOne(Beat);
            byte[] own = RankMessages.Write(to =>
            {
                to.Write(reading.IsCompleted);
                if (reading.IsCompleted)
                    Write(to, FaultOf(reading, folder));
            });
            byte[] all = ranks.Agree(Progress, own, parts => Sum(parts), timeout);
            (bool isOver, CheckpointFault? fault) = RankMessages.Read(all, from => (from.ReadBoolean(), Read(from)));
            if (isOver)
                return fault;
        }
    }

    // One bad file anywhere is enough; otherwise all must have read theirs.
    private static byte[] Sum(IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        bool isOver = true;
        CheckpointFault? first = null;
        foreach (ReadOnlyMemory<byte> part in parts)
        {
            (bool isDone, CheckpointFault? fault) = RankMessages.Read(part, from => from.ReadBoolean() ? (true, Read(from)) : (false, null));
            isOver &= isDone;
            first ??= fault;
        }
        return RankMessages.Write(to =>
        {
            to.Write(isOver || first is not null);
            Write(to, first);
        });
    }

    private CheckpointFault? FaultOf(Task<CheckpointFault?> reading, string folder)
    {
        if (reading.Exception?.InnerException is not { } e)
            return reading.IsCanceled ? new CheckpointFault(folder, folder, $"rank {ranks.Rank} was told to give up") : reading.Result;
        return CheckpointFault.Unread(folder, folder, e, $"rank {ranks.Rank} cannot read it: ");
    }

    private static void Write(BinaryWriter to, CheckpointFault? fault)
    {
        to.Write(fault?.Folder ?? "");
        if (fault is null)
            return;
        to.Write(fault.Path);
        to.Write(fault.Reason);
        to.Write(fault.IsTransient);
        to.Write(fault.IsUnanswered);
    }

    private static CheckpointFault? Read(BinaryReader from) =>
        from.ReadString() is { Length: > 0 } folder ? new CheckpointFault(folder, from.ReadString(), from.ReadString()) { IsTransient = from.ReadBoolean(), IsUnanswered = from.ReadBoolean() } : null;
}
