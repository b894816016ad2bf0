using Cairn.Checkpoints;

namespace Cairn.Cli.Transfer;

/// <summary>How the histories of a run in two places go together. Pure.</summary>
internal static class RunKinship
{
    /// <summary>The first branch that both have and that left another branch or another step in one of them; <see langword="null"/> when there is none.</summary>
    public static int? Contradiction(Lineage here, Lineage there)
    {
        var known = here.Branches.ToDictionary(branch => branch.Id);
        return there.Branches.FirstOrDefault(branch => known.TryGetValue(branch.Id, out Branch? own) && (own.Parent, own.ForkStep) != (branch.Parent, branch.ForkStep))?.Id;
    }

    /// <summary>Whether a history knows every branch of another one.</summary>
    public static bool Covers(Lineage lineage, Lineage other) => other.Branches.All(branch => lineage.Branches.Any(known => known.Id == branch.Id));
}
