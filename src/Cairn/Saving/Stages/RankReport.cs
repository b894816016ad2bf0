using Cairn.Checkpoints;
using Cairn.Ranks;

namespace Cairn.Saving.Stages;

/// <summary>What one rank wrote of a copy.</summary>
/// <param name="Files">Its files.</param>
/// <param name="NonFiniteTensor">The first tensor of the part <c>model</c> that holds NaN or infinity.</param>
/// <param name="SharedBytes">Bytes of those that are files of the copy before and were not written again.</param>
internal sealed record RankReport(IReadOnlyList<MarkedFile> Files, string? NonFiniteTensor, long SharedBytes = 0)
{
    public void Write(BinaryWriter to)
    {
        to.WriteList(Files, file =>
        {
            to.Write(file.Name);
            to.Write(file.Length);
            Write(to, file.Hashes);
        });
        to.WriteName(NonFiniteTensor);
        to.Write(SharedBytes);
    }

    public static RankReport Read(BinaryReader from) => new(
        from.ReadList(() => new MarkedFile(from.ReadString(), from.ReadInt64(), ReadHashes(from))),
        from.ReadName(),
        from.ReadInt64());

    private static void Write(BinaryWriter to, ChunkHashes hashes)
    {
        to.Write(hashes.ChunkBytes);
        to.Write(hashes.Count);
        for (int i = 0; i < hashes.Count; i++)
            to.Write(hashes[i]);
    }

    private static ChunkHashes ReadHashes(BinaryReader from)
    {
        long chunkBytes = from.ReadInt64();
        return ChunkHashes.Of(chunkBytes, [.. from.ReadList(from.ReadUInt128)]);
    }
}
