using Cairn.Layouts;
using Cairn.Ranks;
using Cairn.State;

namespace Cairn.Opening;

/// <summary>
/// Finds out at the start whether the parts can be saved at all, instead of by every save that fails: each is captured once, and the files are planned. Nothing is copied or written.
/// </summary>
internal static class StateCheck
{
    /// <returns>The parts as they are at the start.</returns>
    /// <exception cref="CheckpointException">A part cannot be captured, or the layout has no form for what it holds.</exception>
    public static List<RankPart> Run(CheckpointOptions options, IReadOnlyList<IStatePart> parts, RankGroup ranks)
    {
        var captured = new List<RankPart>(parts.Count);
        foreach (IStatePart part in parts)
            captured.Add(new RankPart(part.Name, part.Scope, Tried($"The part '{part.Name}'", part.Capture)));
        ICheckpointLayout layout = CheckpointLayouts.Of(options.Layout);
        _ = Tried("The state", () => FilePlan.Of(layout, step: 0, layout.Plan(0, captured, ranks.World, ranks.Rank), mayBeEmpty: ranks.Size > 1));
        return captured;
    }

    private static T Tried<T>(string what, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is not CheckpointException)
        {
            throw new CheckpointException($"{what} cannot be saved, so no save of this run would succeed: {e.Message}", e);
        }
    }
}
