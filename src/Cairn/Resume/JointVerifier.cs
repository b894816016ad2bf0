using Cairn.Commit;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Storage;

namespace Cairn.Resume;

/// <summary>
/// Verifies copies with all ranks, each reading its share of the files: the first goes down the ladder (<see cref="Verify"/>, then <see cref="End"/>), the others
/// <see cref="Follow"/>. While ranks read, all say once a second that they are alive, so the time-out bounds silence and not the reading.
/// </summary>
internal sealed class JointVerifier(RankGroup ranks, IFileSystem run, TimeSpan timeout, CancellationToken cancellationToken)
{
    private const string Next = "start: what to verify", Progress = "start: verifying";
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);

    /// <summary>On the first rank: reads a copy together with the others.</summary>
    public CheckpointFault? Verify(IFileSystem files, CatalogEntry entry)
    {
        if (ranks.Size == 1)
            return Verifier.Verify(files, entry, cancellationToken);
        Tell(to =>
        {
            to.Write(true);
            to.Write(ReferenceEquals(files, run) ? "" : files.Root);
            to.Write(entry.Folder);
            to.Write((byte)entry.Kind);
            to.Write(entry.Step);
        });
        return VerifyShare(files, entry);
    }

    /// <summary>On the first rank: there is nothing more to verify.</summary>
    public void End() => Tell(to => to.Write(false));

    /// <summary>On the other ranks: reads what the first says, until it ends.</summary>
    public void Follow()
    {
        while (true)
        {
            byte[] command = ranks.Agree(Next, default, _ => [], timeout, cancellationToken);
            (IFileSystem Files, CatalogEntry Entry)? copy = RankMessages.Read(command, from =>
            {
                if (!from.ReadBoolean())
                    return ((IFileSystem, CatalogEntry)?)null;
                string root = from.ReadString();
                IFileSystem files = root.Length == 0 ? run : new LocalFileSystem(root);
                return (files, CatalogEntry.At(files, from.ReadString(), (SaveKind)from.ReadByte(), from.ReadInt64()));
            });
            if (copy is not { } next)
                return;
            VerifyShare(next.Files, next.Entry);
        }
    }

    private void Tell(Action<BinaryWriter> command) => _ = ranks.Agree(Next, default, _ => RankMessages.Write(command), timeout, cancellationToken);

    private CheckpointFault? VerifyShare(IFileSystem files, CatalogEntry entry)
    {
        Task<CheckpointFault?> reading = Task.Run(() => Verifier.Verify(files, entry, ranks.Rank, ranks.Size, cancellationToken), CancellationToken.None);
        while (true)
        {
            ((IAsyncResult)reading).AsyncWaitHandle.WaitOne(Beat);
            byte[] own = RankMessages.Write(to =>
            {
                to.Write(reading.IsCompleted);
                if (reading.IsCompleted)
                    Write(to, FaultOf(reading, entry));
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

    private CheckpointFault? FaultOf(Task<CheckpointFault?> reading, CatalogEntry entry)
    {
        if (reading.Exception?.InnerException is not { } e)
            return reading.IsCanceled ? new CheckpointFault(entry.Folder, entry.Folder, $"rank {ranks.Rank} was told to give up") : reading.Result;
        return new CheckpointFault(entry.Folder, entry.Folder, $"rank {ranks.Rank} cannot read it: {e.Message}");
    }

    private static void Write(BinaryWriter to, CheckpointFault? fault)
    {
        to.Write(fault?.Folder ?? "");
        if (fault is null)
            return;
        to.Write(fault.Path);
        to.Write(fault.Reason);
    }

    private static CheckpointFault? Read(BinaryReader from) =>
        from.ReadString() is { Length: > 0 } folder ? new CheckpointFault(folder, from.ReadString(), from.ReadString()) : null;
}
