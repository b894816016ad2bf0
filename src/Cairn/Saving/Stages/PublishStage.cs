using Cairn.Opening;
using Cairn.Ranks;

namespace Cairn.Saving.Stages;

/// <summary>The first rank gives the copy its name, and all hear of it. From here on it is durable, whoever hears.</summary>
internal sealed class PublishStage(ICopyPublisher publisher) : ISaveStage
{
    public void Run(SaveInProgress save)
    {
        if (save.Ranks.IsFirst)
            save.Work.Try(() => save.Copy = Publish(save));
        save.Progressed();
        ReadOnlyMemory<byte> copy = save.Work.Agree("committed", static _ => { }, _ => RankMessages.Write(to => Write(to, save.Copy!)));
        save.Copy ??= RankMessages.Read(copy, from => Read(from, save));
    }

    private SavedCopy Publish(SaveInProgress save)
    {
        save.IsPublishing = true;
        CatalogEntry entry = publisher.Publish(save.Place!, save.Marker, save.Notes);
        return new SavedCopy(entry, save.Written.Sum(report => report.Files.Sum(file => file.Length)), save.Written.Sum(report => report.SharedBytes), save.NonFiniteTensor, save.Notes);
    }

    private static void Write(BinaryWriter to, SavedCopy copy)
    {
        to.Write(copy.Entry.Folder);
        to.Write(copy.Bytes);
        to.Write(copy.SharedBytes);
        to.WriteList(copy.Notes, to.Write);
    }

    private SavedCopy Read(BinaryReader from, SaveInProgress save)
    {
        var entry = CatalogEntry.At(publisher.Files, from.ReadString(), save.Marker.Kind, save.Marker.Step);
        return new SavedCopy(entry, from.ReadInt64(), from.ReadInt64(), save.NonFiniteTensor, from.ReadList(from.ReadString));
    }
}
