using Cairn.Layouts;
using Cairn.State;

namespace Cairn.Resume;

/// <summary>Gives a saved state to its owners: all of it is compared before the first byte is written.</summary>
internal static class StateRestorer
{
    /// <summary>Restores the parts.</summary>
    /// <param name="source">The copy.</param>
    /// <param name="parts">All owners, the counters among them.</param>
    /// <param name="wanted">Names of the parts to take; empty for all.</param>
    /// <returns>The names of the parts that were restored.</returns>
    /// <exception cref="StateMismatchException">Something is missing, unexpected or does not fit; nothing was changed.</exception>
    /// <exception cref="CorruptCheckpointException">A file cannot be understood.</exception>
    public static IReadOnlyList<string> Restore(ResumeSource source, IReadOnlyList<IStatePart> parts, IEnumerable<string> wanted)
    {
        HashSet<string> names = new(wanted, StringComparer.Ordinal);
        using LoadedCheckpoint checkpoint = source.Open();
        var problems = new RestoreProblems();
        var loaded = new List<(IStatePart Owner, StateMap Saved)>();
        foreach (IStatePart part in parts)
        {
            if (names.Count > 0 && !names.Contains(part.Name))
                continue;
            if (checkpoint.Parts.Contains(part.Name, StringComparer.Ordinal))
                loaded.Add((part, checkpoint.Load(part.Name)));
            else
                problems.AddMissing($"part '{part.Name}'");
        }
        foreach (string part in names.Count > 0 ? (IEnumerable<string>)names : checkpoint.Parts)
        {
            if (!parts.Any(owner => owner.Name == part))
                problems.AddUnexpected($"part '{part}'");
        }
        foreach ((IStatePart owner, StateMap saved) in loaded)
            owner.Check(saved, problems);
        if (!problems.None)
            throw Mismatch(source, problems);
        foreach ((IStatePart owner, StateMap saved) in loaded)
            owner.Restore(saved);
        return [.. loaded.Select(pair => pair.Owner.Name)];
    }

    private static StateMismatchException Mismatch(ResumeSource source, RestoreProblems problems)
    {
        const int Most = 10;
        var lines = new List<string>();
        foreach ((string what, IReadOnlyList<string> entries) in (ReadOnlySpan<(string, IReadOnlyList<string>)>)
            [("missing in the checkpoint", problems.Missing), ("unexpected in the checkpoint", problems.Unexpected), ("of another form", problems.Mismatched)])
        {
            if (entries.Count > 0)
                lines.Add($"{what}: {string.Join(", ", entries.Take(Most))}{(entries.Count > Most ? $" and {entries.Count - Most} more" : "")}");
        }
        return new StateMismatchException(
            $"The checkpoint {source.Name} does not fit this program, and nothing was changed. {string.Join("; ", lines)}. Use the model and optimizer it was saved with, or name the parts to take (ResumeParts).", problems)
        {
            Step = source.Marker.Step,
            Path = source.Name,
        };
    }
}
