using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>Tensors of one rank, by their names in the whole model: weights, or one kind of moments.</summary>
/// <param name="Rank">The rank.</param>
/// <param name="Tensors">Its tensors, in the order of its modules.</param>
internal sealed record RankTensors(ModelRank Rank, OrderedDictionary<string, StateTensor> Tensors)
{
    /// <summary>The tensors of the whole model. Nothing is read but tensors of names without a rule, to see whether all ranks have the same.</summary>
    /// <param name="ranks">All ranks.</param>
    /// <param name="rules">How they cut.</param>
    /// <param name="folder">The folder, for errors.</param>
    /// <exception cref="CorruptCheckpointException">The ranks contradict each other, or nobody knows how a tensor was cut.</exception>
    public static OrderedDictionary<string, StateTensor> Merge(IReadOnlyList<RankTensors> ranks, ShardRules rules, string folder)
    {
        var whole = new OrderedDictionary<string, StateTensor>(StringComparer.Ordinal);
        foreach (IGrouping<int, RankTensors> stage in ranks.GroupBy(rank => rank.Rank.Pp).OrderBy(stage => stage.Key))
        {
            RankTensors[] holders = [.. stage];
            foreach (string name in holders.SelectMany(holder => holder.Tensors.Keys).Distinct(StringComparer.Ordinal))
            {
                if (!whole.TryAdd(name, Merge(name, holders, rules, folder)))
                    throw Bad(folder, $"two pipeline stages have '{name}'");
            }
        }
        return whole;
    }

    /// <summary>An error about files that do not go together.</summary>
    public static CorruptCheckpointException Bad(string folder, string what, Exception? cause = null) =>
        new($"{(folder.Length == 0 ? "The folder" : folder)} cannot be put together: {what}. Restore its files from a copy, or use another checkpoint.", cause) { Path = folder };

    private static StateTensor Merge(string name, RankTensors[] holders, ShardRules rules, string folder)
    {
        ShardRule? known = rules.For(name, other => holders.Select(holder => holder.Tensors.GetValueOrDefault(other)).FirstOrDefault(tensor => tensor is not null)?.Shape);
        bool byWeight = known?.ByWeight == true;
        // One holder for each coordinate: ranks that differ in the other one only have the same.
        RankTensors[] one = [.. holders.DistinctBy(holder => byWeight ? holder.Rank.Wp : holder.Rank.Tp).OrderBy(holder => byWeight ? holder.Rank.Wp : holder.Rank.Tp)];
        StateTensor[] pieces = [.. one.Select(holder => holder.Tensors.GetValueOrDefault(name)).OfType<StateTensor>()];
        if (known is { Cut: Cut.FirstOnly })
            return one[0].Tensors.GetValueOrDefault(name) ?? throw Bad(folder, $"'{name}' is not in the file of the first rank, which alone has it");
        if (pieces.Length != one.Length)
            throw Bad(folder, $"'{name}' is in the files of {pieces.Length} of {one.Length} ranks");
        if (pieces.Length == 1)
            return pieces[0];
        try
        {
            switch (known?.Cut)
            {
                case Cut.Rows:
                    return TensorOperations.Concat(pieces, 0);
                case Cut.Columns:
                    return TensorOperations.Concat(pieces, 1);
                case Cut.ThirdsOfRows:
                    return Fractions(pieces, 3);
                case Cut.HalvesOfRows:
                    return Fractions(pieces, 2);
            }
        }
        catch (ArgumentException e)
        {
            throw Bad(folder, $"the parts of '{name}' do not fit each other ({e.Message})", e);
        }
        if (pieces.Any(piece => piece.Type != pieces[0].Type || !piece.Shape.SequenceEqual(pieces[0].Shape)))
            throw Bad(folder, $"'{name}' is {string.Join(" and ", pieces.Select(piece => piece.ToString()).Distinct(StringComparer.Ordinal))} on ranks that should have the same");
        return known is not null || pieces.Skip(1).All(piece => TensorBytes.AreSame(piece, pieces[0])) ? pieces[0]
            : throw Bad(folder, $"nobody knows how '{name}' was cut: its module is none of InternLM's, and the {pieces.Length} ranks have different values");
    }

    // [3, heads, …] of each rank, one behind the other along the heads; [2, rows, …] of fused feed-forwards.
    private static StateTensor Fractions(StateTensor[] pieces, long count)
    {
        StateTensor[] split = [.. pieces.Select(piece => piece.Shape[0] % count == 0 ? piece.Reshape([count, piece.Shape[0] / count, .. piece.Shape.Skip(1)])
            : throw new ArgumentException($"The rows of {piece} are not divided by {count}.", nameof(pieces)))];
        StateTensor joined = TensorOperations.Concat(split, 1);
        return joined.Reshape([joined.Shape[0] * joined.Shape[1], .. joined.Shape.Skip(2)]);
    }
}
