using System.Runtime.InteropServices;

namespace Cairn.Ranks.Planning;

/// <summary>A leaf as all ranks know it.</summary>
/// <param name="Key">What it is; equal on all ranks that hold it.</param>
/// <param name="Bytes">Bytes of a tensor's shard; 0 for values and ties.</param>
/// <param name="TieOf">For a tie, the index of the leaf that it goes with; otherwise -1.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct PlannedLeaf(UInt128 Key, long Bytes, int TieOf)
{
    /// <summary>Whether the load of ranks counts for it.</summary>
    public bool IsTensor => Bytes > 0;
}

/// <summary>The leaves of one part that some ranks hold alike.</summary>
/// <param name="Ranks">Those ranks, ascending.</param>
/// <param name="Leaves">The leaves in the order of the part's tree.</param>
internal sealed record HolderClass(int[] Ranks, PlannedLeaf[] Leaves)
{
    /// <summary>Whether any of them adds to what a rank writes.</summary>
    public bool HasTensors { get; } = Array.Exists(Leaves, leaf => leaf.IsTensor);
}

/// <summary>
/// Which rank saves which leaf: each is saved once. One that a single rank holds is saved by that rank. Of several holders the one with
/// the least to write saves it, the largest leaves being given away first; values go to the lowest holder, ties go with their tensor.
/// A pure function of the classes, so that all ranks find the same without a word.
/// </summary>
internal sealed class SavePlan
{
    private readonly IReadOnlyList<HolderClass> _classes;
    private readonly int[][] _owners;
    private readonly long[] _loads;

    private SavePlan(IReadOnlyList<HolderClass> classes, int[][] owners, long[] loads) => (_classes, _owners, _loads) = (classes, owners, loads);

    /// <summary>Plans for all ranks, or only what one of them needs to know.</summary>
    /// <param name="ranks">Number of ranks.</param>
    /// <param name="classes">The classes of all parts.</param>
    /// <param name="rank">The rank that wants to know; all when <see langword="null"/>.</param>
    public static SavePlan Create(int ranks, IReadOnlyList<HolderClass> classes, int? rank = null)
    {
        ArgumentNullException.ThrowIfNull(classes);
        // What meets in no rank and in no tensor has nothing to do with each other.
        bool[]? near = rank is { } one ? Neighbourhood(ranks, classes, one) : null;
        int count = classes.Where((_, c) => near is null || near[c]).Sum(of => of.Leaves.Length);
        var holders = new Dictionary<UInt128, int>(count, KeyComparer.Instance);
        var leaves = new List<Leaf>(count);
        int[][] owners = new int[classes.Count][];
        for (int c = 0; c < classes.Count; c++)
        {
            if (near is not null && !near[c])
                continue;
            HolderClass of = classes[c];
            owners[c] = new int[of.Leaves.Length];
            for (int i = 0; i < of.Leaves.Length; i++)
            {
                if (of.Leaves[i].TieOf >= 0)
                    continue;
                ref int known = ref CollectionsMarshal.GetValueRefOrAddDefault(holders, of.Leaves[i].Key, out bool exists);
                if (!exists)
                {
                    known = leaves.Count;
                    leaves.Add(new Leaf(of.Leaves[i], c));
                }
                else
                {
                    Leaf leaf = leaves[known];
                    (leaf.More ??= []).Add(c);
                    leaves[known] = leaf;
                }
                owners[c][i] = known;
            }
        }
        long[] loads = new long[ranks];
        int[] ownerOf = Assign(leaves, classes, loads);
        for (int c = 0; c < classes.Count; c++)
        {
            int[]? mine = owners[c];
            for (int i = 0; i < mine?.Length; i++)
                mine[i] = classes[c].Leaves[i].TieOf is >= 0 and int tie ? mine[tie] : ownerOf[mine[i]];
        }
        return new SavePlan(classes, owners, loads);
    }

    /// <summary>The rank that saves a leaf.</summary>
    public int OwnerOf(int holderClass, int leaf) => _owners[holderClass][leaf];

    /// <summary>Bytes of tensors that a rank saves.</summary>
    public long BytesOf(int rank) => _loads[rank];

    /// <summary>The classes.</summary>
    public IReadOnlyList<HolderClass> Classes => _classes;

    private static int[] Assign(List<Leaf> leaves, IReadOnlyList<HolderClass> classes, long[] loads)
    {
        int[] owners = new int[leaves.Count];
        var shared = new List<int>();
        for (int i = 0; i < owners.Length; i++)
        {
            Leaf leaf = leaves[i];
            int lowest = classes[leaf.Class].Ranks[0];
            if (!leaf.Planned.IsTensor)
            {
                for (int m = 0; m < leaf.More?.Count; m++)
                    lowest = Math.Min(lowest, classes[leaf.More[m]].Ranks[0]);
                owners[i] = lowest;
            }
            else if (leaf.More is null && classes[leaf.Class].Ranks.Length == 1)
            {
                owners[i] = lowest;
                loads[lowest] += leaf.Planned.Bytes;
            }
            else
            {
                shared.Add(i);
            }
        }
        shared.Sort((a, b) => leaves[b].Planned.Bytes.CompareTo(leaves[a].Planned.Bytes) is not 0 and int bySize ? bySize : leaves[a].Planned.Key.CompareTo(leaves[b].Planned.Key));
        foreach (int i in shared)
        {
            Leaf leaf = leaves[i];
            int least = Least(classes[leaf.Class].Ranks, loads, -1);
            for (int m = 0; m < leaf.More?.Count; m++)
                least = Least(classes[leaf.More[m]].Ranks, loads, least);
            owners[i] = least;
            loads[least] += leaf.Planned.Bytes;
        }
        return owners;
    }

    private static int Least(int[] ranks, long[] loads, int best)
    {
        foreach (int rank in ranks)
        {
            if (best < 0 || loads[rank] < loads[best] || (loads[rank] == loads[best] && rank < best))
                best = rank;
        }
        return best;
    }

    // The classes that a rank's plan can depend on: those that it is in, and step by step those that share a rank or a tensor with them.
    private static bool[] Neighbourhood(int ranks, IReadOnlyList<HolderClass> classes, int rank)
    {
        bool[] near = new bool[classes.Count], nearRank = new bool[ranks];
        // Of the classes taken in the last round; what touches earlier ones was taken then.
        HashSet<UInt128> tensors = new(KeyComparer.Instance), next = new(KeyComparer.Instance);
        var values = new Dictionary<UInt128, int>(KeyComparer.Instance);
        for (int c = 0; c < near.Length; c++)
        {
            if (Array.BinarySearch(classes[c].Ranks, rank) >= 0)
                Take(c);
        }
        while (next.Count > 0)
        {
            (tensors, next) = (next, tensors);
            next.Clear();
            for (int c = 0; c < near.Length; c++)
            {
                if (!near[c] && Touches(classes[c]))
                    Take(c);
            }
        }
        // Values join nobody; of each only the lowest holder matters.
        foreach (HolderClass own in classes.Where((of, c) => near[c] && Array.BinarySearch(of.Ranks, rank) >= 0))
        {
            foreach (PlannedLeaf leaf in own.Leaves)
            {
                if (!leaf.IsTensor && leaf.TieOf < 0)
                    values.TryAdd(leaf.Key, -1);
            }
        }
        for (int c = 0; c < near.Length; c++)
        {
            foreach (PlannedLeaf leaf in classes[c].Leaves)
            {
                if (!leaf.IsTensor && values.TryGetValue(leaf.Key, out int lowest) && (lowest < 0 || classes[c].Ranks[0] < classes[lowest].Ranks[0]))
                    values[leaf.Key] = c;
            }
        }
        foreach (int c in values.Values)
            near[c] = true;
        return near;

        void Take(int c)
        {
            near[c] = true;
            if (!classes[c].HasTensors)
                return;
            foreach (int member in classes[c].Ranks)
                nearRank[member] = true;
            foreach (PlannedLeaf leaf in classes[c].Leaves)
            {
                if (leaf.IsTensor)
                    next.Add(leaf.Key);
            }
        }

        bool Touches(HolderClass of)
        {
            if (!of.HasTensors)
                return false;
            foreach (int member in of.Ranks)
            {
                if (nearRank[member])
                    return true;
            }
            foreach (PlannedLeaf leaf in of.Leaves)
            {
                if (leaf.IsTensor && tensors.Contains(leaf.Key))
                    return true;
            }
            return false;
        }
    }

    // Keys are hashes already.
    private sealed class KeyComparer : IEqualityComparer<UInt128>
    {
        public static KeyComparer Instance { get; } = new();
        public bool Equals(UInt128 x, UInt128 y) => x == y;
        public int GetHashCode(UInt128 obj) => (int)(ulong)obj;
    }

    private record struct Leaf(PlannedLeaf Planned, int Class)
    {
        public List<int>? More;
    }
}
