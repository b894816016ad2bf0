using Cairn.Checkpoints;
using Cairn.Ranks;

namespace Cairn.Starting;

/// <summary>How the first rank tells the others which copies were passed over.</summary>
internal static class FaultMessages
{
    public static void Write(BinaryWriter to, IReadOnlyList<CheckpointFault> faults) => to.WriteList(faults, fault =>
    {
        to.Write(fault.Folder);
        to.Write(fault.Path);
        to.Write(fault.Reason);
    });

    public static List<CheckpointFault> Read(BinaryReader from) => from.ReadList(() => new CheckpointFault(from.ReadString(), from.ReadString(), from.ReadString()));
}
