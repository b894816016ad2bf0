using Cairn.State;

namespace Cairn.Ranks.Planning;

/// <summary>
/// Finds with the other ranks what this one saves. What the states consist of is exchanged when it has changed on any rank, which in training is once or twice; each
/// other time the ranks only say that it has not. Belongs to the training thread; all ranks make the same calls.
/// </summary>
internal sealed class PlanExchange(RankGroup ranks)
{
    private enum Verdict : byte { Same, Changed, Failed }

    private readonly record struct Fingerprint(string Part, UInt128 Hash);

    private SavePlan? _plan;
    private IReadOnlyList<int> _classes = [];
    private UInt128[] _own = [];
    // The first rank's only: what each rank had when the plan was made, and the leaves in full.
    private List<Fingerprint>[]? _planned;
    private readonly Dictionary<string, HashSet<string>> _paths = new(StringComparer.Ordinal);

    /// <summary>How often the descriptions were exchanged.</summary>
    public int Exchanges { get; private set; }

    /// <summary>What this rank saves of its parts.</summary>
    /// <param name="purpose">What it is for, the same text on all ranks.</param>
    /// <param name="capture">The live parts; what it throws fails the call on all ranks.</param>
    /// <param name="timeout">Longest wait for another rank.</param>
    /// <exception cref="State.ShardOwnershipException">An element of a tensor has no owner, or several (thrown on the first rank).</exception>
    /// <exception cref="RankFailedException">Another rank cannot capture its parts, or they do not fit together.</exception>
    /// <exception cref="RankTimeoutException">Ranks did not answer.</exception>
    public IReadOnlyList<RankPart> Assign(string purpose, Func<IReadOnlyList<RankPart>> capture, TimeSpan timeout)
    {
        RankDescription? description = null;
        Exception? failure = null;
        try
        {
            description = new RankDescription(capture());
        }
        catch (Exception e)
        {
            failure = e;
        }
        byte[] part = RankMessages.Write(to =>
        {
            to.Write(failure?.Message ?? "");
            to.WriteList(description?.Shared ?? [], shared =>
            {
                to.Write(shared.Name);
                to.Write(shared.Fingerprint);
            });
        });
        byte[] verdict = ranks.Agree($"{purpose}: plan", part, Compare, timeout);
        switch ((Verdict)verdict[0])
        {
            case Verdict.Failed:
                (int rank, string error) = RankMessages.Read(verdict.AsMemory(1), from => (from.ReadInt32(), from.ReadString()));
                // What cannot be captured was no plan of anybody's.
                throw failure ?? new RankFailedException($"{purpose}: rank {rank} cannot save: {error}") { Rank = rank, Purpose = purpose, Error = error };
            case Verdict.Changed:
                Plan(purpose, description!, RankMessages.Read(verdict.AsMemory(1), ReadClasses), timeout);
                break;
        }
        return description!.Assigned(_plan!, _classes, ranks.World, ranks.Rank);
    }

    /// <summary>What this rank saves of these parts if no state has changed since the plan was made; <see langword="null"/> when this one's has, or there is no plan.</summary>
    public IReadOnlyList<RankPart>? Known(IReadOnlyList<RankPart> live)
    {
        var description = new RankDescription(live);
        return _plan is not null && description.Shared.Select(part => part.Fingerprint).SequenceEqual(_own) ? description.Assigned(_plan, _classes, ranks.World, ranks.Rank) : null;
    }

    /// <summary>On the first rank, whether any rank has a leaf of this path in its state, as it was last exchanged.</summary>
    public bool IsHeld(string part, string path) => _paths.TryGetValue(part, out HashSet<string>? paths) && paths.Contains(path);

    private byte[] Compare(IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        var now = new List<Fingerprint>[parts.Count];
        for (int rank = 0; rank < now.Length; rank++)
        {
            (string error, now[rank]) = RankMessages.Read(parts[rank], from => (from.ReadString(), from.ReadList(() => new Fingerprint(from.ReadString(), from.ReadUInt128()))));
            if (error.Length == 0)
                continue;
            int failed = rank;
            return [(byte)Verdict.Failed, .. RankMessages.Write(to =>
            {
                to.Write(failed);
                to.Write(error);
            })];
        }
        if (_planned is not null && now.Zip(_planned).All(pair => pair.First.SequenceEqual(pair.Second)))
            return [(byte)Verdict.Same];
        _planned = now;
        HolderClasses classes = HolderClasses.Of([.. now.Select(rank => rank.Select(part => (part.Part, part.Hash)).ToArray())]);
        return [(byte)Verdict.Changed, .. RankMessages.Write(to => to.WriteList(classes.Classes, of =>
        {
            to.Write(of.Part);
            to.WriteList(of.Ranks, to.Write);
        }))];
    }

    private static List<(string Part, int[] Ranks)> ReadClasses(BinaryReader from) =>
        from.ReadList(() => (from.ReadString(), from.ReadList(from.ReadInt32).ToArray()));

    private void Plan(string purpose, RankDescription description, List<(string Part, int[] Ranks)> classes, TimeSpan timeout)
    {
        Exchanges++;
        int[] own = [.. Enumerable.Range(0, classes.Count).Where(c => Array.BinarySearch(classes[c].Ranks, ranks.Rank) >= 0)];
        byte[] part = RankMessages.Write(to => to.WriteList([.. own.Where(c => classes[c].Ranks[0] == ranks.Rank)], c =>
        {
            DescribedPart shared = description.Shared.First(shared => shared.Name == classes[c].Part);
            to.Write(c);
            to.WriteList(shared.Planned, leaf => Write(to, leaf));
            to.WriteList(shared.Leaves, leaf => LeafDetail.Of(leaf).Write(to));
        }));
        byte[] leaves;
        try
        {
            leaves = ranks.Agree($"{purpose}: what the ranks hold", part, parts => Collect(classes, parts), timeout);
        }
        catch
        {
            // Half a plan is none: the next save begins anew on all ranks.
            _planned = null;
            throw;
        }
        HolderClass[] known = RankMessages.Read(leaves, from => classes.Select(of => new HolderClass(of.Ranks, [.. from.ReadList(() => ReadLeaf(from))])).ToArray());
        _plan = SavePlan.Create(ranks.Size, known, ranks.Rank);
        _own = [.. description.Shared.Select(part => part.Fingerprint)];
        _classes = [.. description.Shared.Select(shared => own.First(c => classes[c].Part == shared.Name))];
    }

    private byte[] Collect(List<(string Part, int[] Ranks)> classes, IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        var leaves = new List<PlannedLeaf>[classes.Count];
        var details = new List<LeafDetail>[classes.Count];
        foreach (ReadOnlyMemory<byte> part in parts)
        {
            _ = RankMessages.Read(part, from => from.ReadList(() =>
            {
                int of = from.ReadInt32();
                leaves[of] = from.ReadList(() => ReadLeaf(from));
                details[of] = from.ReadList(() => LeafDetail.Read(from));
                return of;
            }));
        }
        LeafDetail.Check(classes.Select((of, c) => (of.Part, details[c].AsEnumerable())));
        _paths.Clear();
        for (int c = 0; c < classes.Count; c++)
        {
            if (!_paths.TryGetValue(classes[c].Part, out HashSet<string>? paths))
                _paths.Add(classes[c].Part, paths = new(StringComparer.Ordinal));
            paths.UnionWith(details[c].Select(leaf => leaf.Path));
        }
        return RankMessages.Write(to =>
        {
            foreach (List<PlannedLeaf> list in leaves)
                to.WriteList(list, leaf => Write(to, leaf));
        });
    }

    private static void Write(BinaryWriter to, PlannedLeaf leaf)
    {
        to.Write(leaf.Key);
        to.Write(leaf.Bytes);
        to.Write(leaf.TieOf);
    }

    private static PlannedLeaf ReadLeaf(BinaryReader from) => new(from.ReadUInt128(), from.ReadInt64(), from.ReadInt32());
}
