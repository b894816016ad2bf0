using Cairn.Policies;
using Cairn.Ranks;

namespace Cairn.Saving.Stages;

/// <summary>Each rank takes over the files of the copy before that have not changed, and writes the others, hashes them on the way, makes them durable and knows that they are of one step; then all know what all wrote. A snapshot whose model holds NaN or infinity is given up here.</summary>
internal sealed class WriteStage(ICopyTarget target) : ISaveStage
{
    public void Run(SaveInProgress save)
    {
        var own = new RankReport([], null);
        save.Work.Try(() =>
        {
            (own, save.Own) = CopyWriter.Write(target, save);
            if (save.IsShared)
                target.Settle(save.Place!);
            save.CheckVouched(own.Files);
            save.Confirm();
        });
        ReadOnlyMemory<byte> nonFinite = save.Work.Agree("written", own.Write, parts =>
        {
            save.Written = [.. parts.Select(part => RankMessages.Read(part, RankReport.Read))];
            string? first = save.Written.FirstOrDefault(report => report.NonFiniteTensor is not null)?.NonFiniteTensor;
            return RankMessages.Write(to => to.WriteName(first));
        });
        save.Progressed();
        save.NonFiniteTensor = RankMessages.Read(nonFinite, RankMessages.ReadName);
        if (save is { RefuseNonFinite: true, Marker.Kind: SaveKind.Snapshot, NonFiniteTensor: { } tensor })
            throw new NonFiniteStateException(tensor);
    }
}
