namespace Cairn.Ranks.Planning;

/// <summary>The ranks by what they hold: for each shared part, those whose description is the same form a class, and its lowest rank speaks for it.</summary>
internal sealed class HolderClasses
{
    private HolderClasses(List<(string Part, List<int> Ranks)> classes, int[][] classOf) => (Classes, ClassOf) = (classes, classOf);

    /// <summary>The classes in the order of their lowest rank and of its parts.</summary>
    public IReadOnlyList<(string Part, List<int> Ranks)> Classes { get; }

    /// <summary>For each rank the class of each of its shared parts.</summary>
    public IReadOnlyList<IReadOnlyList<int>> ClassOf { get; }

    /// <summary>Sorts the ranks.</summary>
    /// <param name="ranks">For each rank the name and fingerprint of each of its shared parts.</param>
    public static HolderClasses Of(IReadOnlyList<IReadOnlyList<(string Part, UInt128 Fingerprint)>> ranks)
    {
        var known = new Dictionary<(string, UInt128), int>();
        var classes = new List<(string Part, List<int> Ranks)>();
        int[][] classOf = new int[ranks.Count][];
        for (int rank = 0; rank < classOf.Length; rank++)
        {
            classOf[rank] = new int[ranks[rank].Count];
            for (int i = 0; i < classOf[rank].Length; i++)
            {
                if (!known.TryGetValue(ranks[rank][i], out int of))
                {
                    known.Add(ranks[rank][i], of = classes.Count);
                    classes.Add((ranks[rank][i].Part, []));
                }
                classes[of].Ranks.Add(rank);
                classOf[rank][i] = of;
            }
        }
        return new HolderClasses(classes, classOf);
    }
}
