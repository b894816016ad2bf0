using Cairn.Formats.Safetensors;
using Cairn.State;

namespace Cairn.Layouts;

/// <summary>The files that were planned last. Of a tree that serves several saves, the next one gets the same files while its values are the same, and else ones with a new head.</summary>
/// <param name="splitsFrozen">Whether what training does not change gets a file of its own.</param>
internal sealed class PlanMemory(bool splitsFrozen = false)
{
    private readonly Dictionary<string, Plan> _plans = new(StringComparer.Ordinal);

    /// <summary>The files of a part: one, or two when something of it is frozen.</summary>
    /// <param name="part">The part.</param>
    /// <param name="stem">The name of the first, without extension.</param>
    /// <exception cref="ArgumentException">The tree is too deep, too large, or holds a text that is not well-formed.</exception>
    public IReadOnlyList<PlannedFile> Encode(RankPart part, string stem)
    {
        if (part.Revision is not { } revision)
            return Encode(part, stem, []);
        Plan? last = _plans.GetValueOrDefault(stem);
        if (last is not null && !ReferenceEquals(last.Tree, part.State))
            last = null;
        if (last?.Revision == revision)
            return last.Files;
        // If this throws, nothing is known of the part.
        _plans.Remove(stem);
        IReadOnlyList<PlannedFile> files = Encode(part, stem, last?.Files ?? []);
        _plans.Add(stem, new Plan(part.State, revision, files));
        return files;
    }

    private IReadOnlyList<PlannedFile> Encode(RankPart part, string stem, IReadOnlyList<PlannedFile> before)
    {
        SafetensorsWriter? Before(int file) => file < before.Count ? before[file].Content as SafetensorsWriter : null;
        if (!splitsFrozen || part.Scope != PartScope.Shared || PartFileName.FrozenStemOf(part.Name, stem) is not { } frozen || FrozenSplit.Of(part.State) is not { } split)
            return [PartEncoder.Encode(part.Name, stem, part.State, Before(0))];
        return [PartEncoder.Encode(part.Name, stem, split.Changing, Before(0)), PartEncoder.Encode(part.Name, frozen, split.Frozen, Before(1))];
    }

    private sealed record Plan(StateMap Tree, int Revision, IReadOnlyList<PlannedFile> Files);
}
