using Cairn.Checkpoints;
using Cairn.Ranks;

namespace Cairn.Starting;

/// <summary>How the first rank tells the others which checkpoint is the best.</summary>
internal static class BestMessages
{
    public static void Write(BinaryWriter to, BestCheckpoint? best)
    {
        to.WriteName(best?.Metric);
        if (best is null)
            return;
        to.Write(best.Step);
        to.Write(best.Value);
        to.Write(best.HigherIsBetter);
    }

    public static BestCheckpoint? Read(BinaryReader from) =>
        from.ReadName() is { } metric ? new BestCheckpoint(from.ReadInt64(), metric, from.ReadDouble(), from.ReadBoolean()) : null;
}
