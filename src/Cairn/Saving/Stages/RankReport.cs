using Cairn.Checkpoints;
using Cairn.Ranks;

namespace Cairn.Saving.Stages;

/// <summary>What one rank wrote of a copy.</summary>
/// <param name="Files">Its files.</param>
/// <param name="NonFiniteTensor">The first tensor of the part <c>model</c> that holds NaN or infinity.</param>
internal sealed record RankReport(IReadOnlyList<MarkedFile> Files, string? NonFiniteTensor)
{
    public void Write(BinaryWriter to)
    {
        to.WriteList(Files, file =>
        {
            to.Write(file.Name);
            to.Write(file.Length);
            to.Write(file.Hash);
        });
        to.WriteName(NonFiniteTensor);
    }

    public static RankReport Read(BinaryReader from) => new(
        from.ReadList(() => new MarkedFile(from.ReadString(), from.ReadInt64(), from.ReadString())),
        from.ReadName());
}
