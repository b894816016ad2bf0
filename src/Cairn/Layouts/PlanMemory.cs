using Cairn.Formats.Safetensors;
using Cairn.State;

namespace Cairn.Layouts;

/// <summary>The files that were planned last. Of a tree that serves several saves, the next one gets the same file while its values are the same, and else one with a new head.</summary>
internal sealed class PlanMemory
{
    private readonly Dictionary<string, Plan> _plans = new(StringComparer.Ordinal);

    /// <summary>The file of a part.</summary>
    /// <param name="part">The part.</param>
    /// <param name="stem">The file's name, without extension.</param>
    /// <exception cref="ArgumentException">The tree is too deep, too large, or holds a text that is not well-formed.</exception>
    public PlannedFile Encode(RankPart part, string stem)
    {
        if (part.Revision is not { } revision)
            return PartEncoder.Encode(part.Name, stem, part.State);
        Plan? last = _plans.GetValueOrDefault(stem);
        if (last is not null && !ReferenceEquals(last.Tree, part.State))
            last = null;
        if (last?.Revision == revision)
            return last.File;
        // If this throws, nothing is known of the part.
        _plans.Remove(stem);
        PlannedFile file = PartEncoder.Encode(part.Name, stem, part.State, last?.File.Content as SafetensorsWriter);
        _plans.Add(stem, new Plan(part.State, revision, file));
        return file;
    }

    private sealed record Plan(StateMap Tree, int Revision, PlannedFile File);
}
