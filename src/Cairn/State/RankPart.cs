namespace Cairn.State;

/// <summary>What one rank of a job saves of a part.</summary>
/// <param name="Name">The part's name.</param>
/// <param name="Scope">What it has to do with the other ranks' state.</param>
/// <param name="State">The tensors and values that this rank saves; shards as <see cref="ShardTensor"/>.</param>
public sealed record RankPart(string Name, PartScope Scope, StateMap State)
{
    /// <summary>Grows when a tree that serves several saves has other values; <see langword="null"/> for a tree that was made for this one.</summary>
    internal int? Revision { get; init; }

    /// <summary>The parts as they are now; the tensors stay the owners'.</summary>
    internal static List<RankPart> Capture(IReadOnlyList<IStatePart> parts)
    {
        var live = new List<RankPart>(parts.Count);
        foreach (IStatePart part in parts)
            live.Add(new RankPart(part.Name, part.Scope, part.Capture()));
        return live;
    }
}
