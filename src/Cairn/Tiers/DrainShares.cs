using Cairn.Ranks;

namespace Cairn.Tiers;

/// <summary>Who brings which file of a copy to the home.</summary>
/// <param name="IsAtHome">The home has the copy.</param>
/// <param name="Speaker">The rank that says what the marker is.</param>
/// <param name="Ranks">The rank that brings each file.</param>
internal sealed record DrainShares(bool IsAtHome, int Speaker, IReadOnlyDictionary<string, int> Ranks)
{
    public static DrainShares AtHome { get; } = new(true, 0, new Dictionary<string, int>(StringComparer.Ordinal));

    public void Write(BinaryWriter to)
    {
        to.Write(IsAtHome);
        to.Write(Speaker);
        to.WriteList([.. Ranks], file =>
        {
            to.Write(file.Key);
            to.Write(file.Value);
        });
    }

    public static DrainShares Read(BinaryReader from) => new(from.ReadBoolean(), from.ReadInt32(), from.ReadList(() => (from.ReadString(), from.ReadInt32())).ToDictionary(file => file.Item1, file => file.Item2, StringComparer.Ordinal));
}
