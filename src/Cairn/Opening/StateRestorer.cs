using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Layouts.InternLm;
using Cairn.Ranks;
using Cairn.Ranks.Planning;
using Cairn.State;

namespace Cairn.Opening;

/// <summary>What was restored.</summary>
/// <param name="Parts">The names of the parts.</param>
/// <param name="NotExact">Parts that another world saved and that cannot go on exactly, each with the reason.</param>
/// <param name="Settings">Settings that the saved state and the program say differently.</param>
internal sealed record RestoredState(IReadOnlyList<string> Parts, IReadOnlyList<string> NotExact, IReadOnlyList<SettingDifference> Settings);

/// <summary>Gives a saved state to its owners: all of it is compared, on all ranks, before the first byte is written.</summary>
internal sealed class StateRestorer(RankGroup ranks, PlanExchange plan, CollectiveWork work, SettingsSource settings, ResumeAllowance? allowance = null)
{
    private readonly List<SettingDifference> _settings = [];
    private readonly List<string> _notExact = [];

    /// <summary>Restores the parts.</summary>
    /// <param name="source">The copy.</param>
    /// <param name="open">Opens the copy.</param>
    /// <param name="parts">All owners, the counters among them.</param>
    /// <param name="wanted">Names of the parts to take; empty for all.</param>
    /// <exception cref="StateMismatchException">Something is missing, unexpected or does not fit; nothing was changed.</exception>
    /// <exception cref="CorruptCheckpointException">A file cannot be understood.</exception>
    /// <exception cref="RankFailedException">One of these on another rank.</exception>
    public RestoredState Restore(ResumeSource source, Func<LoadedCheckpoint> open, IReadOnlyList<IStatePart> parts, IEnumerable<string> wanted)
    {
        HashSet<string> names = new(wanted, StringComparer.Ordinal);
        LoadedCheckpoint? checkpoint = null;
        try
        {
            var problems = new RestoreProblems();
            var loaded = new List<(IStatePart Owner, StateMap Saved)>();
            work.Try(() =>
            {
                checkpoint = open();
                Load(checkpoint, source, parts, names, loaded, problems);
            });
            HashSet<string> unowned = Unowned(loaded);
            work.Try(() =>
            {
                for (int i = 0; i < loaded.Count; i++)
                {
                    StateMap cut = Cut(loaded[i].Owner, loaded[i].Saved, unowned);
                    loaded[i] = (loaded[i].Owner, allowance?.Applied(loaded[i].Owner, cut) ?? cut);
                }
                foreach ((IStatePart owner, StateMap saved) in loaded)
                    owner.Check(saved, problems);
                if (!problems.None)
                    throw Mismatch(source, problems);
                for (int i = 0; i < loaded.Count; i++)
                    loaded[i] = (loaded[i].Owner, Chosen(loaded[i].Owner, loaded[i].Saved));
            });
            work.Agree("compare the state");
            work.Try(() =>
            {
                foreach ((IStatePart owner, StateMap saved) in loaded)
                    owner.Restore(saved);
            });
            work.Agree("restore the state");
            return new RestoredState([.. loaded.Select(pair => pair.Owner.Name)], _notExact, _settings);
        }
        finally
        {
            checkpoint?.Dispose();
        }
    }

    // Never silently: what was changed in the program since is said, whichever holds.
    private StateMap Chosen(IStatePart owner, StateMap saved)
    {
        if (owner is not ISettingsPart part)
            return saved;
        var differences = new List<SettingDifference>();
        StateMap own = part.WithProgramSettings(saved, differences);
        _settings.AddRange(differences.Select(difference => difference with { Holds = difference.Only ?? settings }));
        return settings == SettingsSource.Program ? own : saved;
    }

    private void Load(LoadedCheckpoint checkpoint, ResumeSource source, IReadOnlyList<IStatePart> parts, HashSet<string> names, List<(IStatePart Owner, StateMap Saved)> loaded, RestoreProblems problems)
    {
        // Another program saves other parts than this one has; what is not asked for by name is taken where it fits.
        InternLmParts? internLm = checkpoint is InternLmCheckpoint other ? new InternLmParts(other, isWhole: names.Count == 0, _notExact) : null;
        foreach (IStatePart part in parts)
        {
            if (names.Count > 0 && !names.Contains(part.Name))
                continue;
            if (internLm is not null && internLm.Leaves(part))
                continue;
            if (!checkpoint.Parts.Contains(part.Name, StringComparer.Ordinal))
                problems.AddMissing($"part '{part.Name}'");
            else if (Saved(checkpoint, part, source.Marker.World) is { } saved)
                loaded.Add((part, part.Name == InternLmCheckpoint.Model ? Precise(checkpoint, part, saved) : saved));
        }
        foreach (string part in names.Count > 0 ? (IEnumerable<string>)names : internLm is null ? checkpoint.Parts : [])
        {
            if (!parts.Any(owner => owner.Name == part) && !(names.Count == 0 && InternLmCheckpoint.IsOptional(part, checkpoint)))
                problems.AddUnexpected($"part '{part}'");
        }
    }

    private StateMap Precise(LoadedCheckpoint checkpoint, IStatePart part, StateMap saved)
    {
        if (!checkpoint.Parts.Contains(MasterWeights.Part, StringComparer.Ordinal))
            return saved;
        StateMap master = checkpoint.Load(MasterWeights.Part);
        if (!MasterWeights.Fit(part.Capture(), saved, master))
            return saved;
        _notExact.Add($"{part.Name}: takes the master weights of the optimizer, of which the model's are rounded copies");
        return master;
    }

    private StateMap? Saved(LoadedCheckpoint checkpoint, IStatePart part, World saved)
    {
        IReadOnlyList<int> owners = checkpoint.RanksOf(part.Name);
        switch (part.Scope)
        {
            case PartScope.PerRank:
                if (ranks.World != saved)
                    _notExact.Add($"{part.Name}: each rank has its own, and {saved} saved it, not {ranks.World}");
                if (owners.Count == 0)
                    return ranks.IsFirst ? checkpoint.Load(part.Name) : null;
                // Two ranks must not go on with one and the same: those above the saved ones stay as they are.
                return owners.Contains(ranks.Rank) ? checkpoint.Load(part.Name, ranks.Rank) : null;
            case PartScope.PerDataRank when owners.Count > 0:
                if (owners.Count == ranks.World.Dp && owners.Contains(ranks.Coordinates.Dp))
                    return checkpoint.Load(part.Name, ranks.Coordinates.Dp);
                StateMap first = checkpoint.Load(part.Name, owners[0]);
                string digest = StateDigest.Of(first);
                if (owners.Skip(1).Any(owner => StateDigest.Of(checkpoint.Load(part.Name, owner)) != digest))
                    _notExact.Add($"{part.Name}: {owners.Count} data-parallel ranks had each its own, and {ranks.World.Dp} go on with that of the first");
                return first;
            default:
                return checkpoint.Load(part.Name);
        }
    }

    // The leaves of the saved shared parts that no rank has: usually none.
    private HashSet<string> Unowned(List<(IStatePart Owner, StateMap Saved)> loaded)
    {
        if (ranks.Size == 1)
            return [];
        ReadOnlyMemory<byte> all = work.Agree("open the copy", static _ => { }, _ =>
        {
            List<string> unowned =
            [
                .. loaded.Where(pair => pair.Owner.Scope == PartScope.Shared)
                    .SelectMany(pair => PartLeaves.Of(pair.Saved).Where(leaf => !plan.IsHeld(pair.Owner.Name, leaf.Path)).Select(leaf => $"{pair.Owner.Name}/{leaf.Path}")),
            ];
            return RankMessages.Write(to => to.WriteList(unowned, to.Write));
        });
        return new HashSet<string>(RankMessages.Read(all, from => from.ReadList(from.ReadString)), StringComparer.Ordinal);
    }

    private StateMap Cut(IStatePart owner, StateMap saved, HashSet<string> unowned) => owner.Scope == PartScope.Shared && ranks.Size > 1
        ? StateFit.Cut(saved, owner.Capture(), path => !unowned.Contains($"{owner.Name}/{path}"))
        : saved;

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
            $"The checkpoint {source.Name} does not fit this program, and nothing was changed. {string.Join("; ", lines)}. Use the model and optimizer it was saved with, or name the parts to take (ResumeParts), or the entries that may differ (ResumeAllowMissing, ResumeAllowUnexpected).", problems)
        {
            Step = source.Marker.Step,
            Path = source.Name,
        };
    }
}
