using Cairn.Checkpoints;

namespace Cairn.Tiers;

/// <summary>A copy in the fast folder of one host: its marker, which is that of the whole copy, and which of its files stand here.</summary>
/// <param name="Folder">The folder.</param>
/// <param name="Marker">What the copy consists of.</param>
/// <param name="Digest">What the marker's bytes are known by, on every host the same.</param>
/// <param name="Names">The files that stand here with their lengths.</param>
internal sealed record FastCopy(string Folder, Marker Marker, UInt128 Digest, IReadOnlySet<string> Names)
{
    /// <summary>Whether every file of the copy stands here.</summary>
    public bool IsWhole => Names.Count == Marker.Files.Count;
}
