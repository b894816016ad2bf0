using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Ranks;
using Cairn.Stores;

namespace Cairn.Starting;

/// <summary>How the first rank tells the others how the run begins, and how these find the copy that it names.</summary>
/// <param name="places">Where a copy may stand, as this rank sees it.</param>
/// <param name="rank">This rank.</param>
internal sealed class OpeningMessages(ResumePlaces places, int rank)
{
    /// <summary>Writes what the first rank has decided.</summary>
    public void Write(BinaryWriter to, RunOpening opening)
    {
        byte[] record = opening.Record.ToBytes();
        to.WriteList(record, to.Write);
        to.Write(opening.Source is not null);
        if (opening.Source is { } source)
        {
            places.Write(to, source.Files);
            to.Write(source.Folder);
            to.Write((byte)source.Marker.Kind);
            to.Write(source.Marker.Step);
            to.Write(source.Name);
            to.Write(source.IsOfOtherProgram);
            to.Write(source.Entry is not null);
            if (source.Entry is { } entry)
                to.Write(entry.MarkerDigest);
        }
        to.WriteList([.. opening.Parts], to.Write);
        FaultMessages.Write(to, opening.PassedOver);
        to.Write(opening.Forked);
        to.Write(opening.ByChoice);
    }

    /// <summary>Reads it on another rank, and finds the copy there.</summary>
    /// <exception cref="CheckpointException">This rank does not see the copy.</exception>
    public RunOpening Read(BinaryReader from)
    {
        var record = RunRecord.Parse(from.ReadList(from.ReadByte).ToArray(), places.Run.Root);
        ResumeSource? source = null;
        if (from.ReadBoolean())
        {
            IFileSource at = places.Read(from);
            (string folder, var kind, long step, string name) = (from.ReadString(), (Policies.SaveKind)from.ReadByte(), from.ReadInt64(), from.ReadString());
            bool isOfOtherProgram = from.ReadBoolean(), isMarked = from.ReadBoolean();
            source = isOfOtherProgram ? ResumeSource.OfOtherProgram(at, folder, name) : isMarked ? Marked(at, CatalogEntry.At(at, folder, kind, step), from.ReadUInt128(), name) : ResumeSource.Weights(at, folder, name);
        }
        List<string> parts = from.ReadList(from.ReadString);
        List<CheckpointFault> passedOver = FaultMessages.Read(from);
        bool forked = from.ReadBoolean();
        return new RunOpening(record, source, parts, passedOver, forked, from.ReadBoolean());
    }

    private ResumeSource Marked(IFileSource at, CatalogEntry entry, UInt128 digest, string name)
    {
        if (entry.Fault is { IsTransient: true } || (entry.Marker is not null && entry.MarkerDigest != digest))
            throw HeldCopy.Changed(at, entry.Folder);
        return entry.Marker is { } marker ? new ResumeSource(at, entry.Folder, marker, name) { Entry = entry }
            : throw new StoreException($"The first rank resumes from {name}, and rank {rank} does not find it whole in {at.Root}: {entry.Fault} All ranks must see one shared folder: check Folder and the mounts.") { Path = entry.Folder, Rank = rank };
    }
}
