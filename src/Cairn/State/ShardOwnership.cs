namespace Cairn.State;

/// <summary>Elements of a global tensor that nobody holds, or that several shards hold.</summary>
/// <param name="Tensor">The tensor's name.</param>
/// <param name="Gaps">Boxes that no shard holds.</param>
/// <param name="Overlaps">Boxes that two shards hold.</param>
internal sealed record OwnershipFault(string Tensor, IReadOnlyList<TensorBox> Gaps, IReadOnlyList<TensorBox> Overlaps)
{
    /// <inheritdoc/>
    public override string ToString()
    {
        var faults = new List<string>(2);
        if (Gaps.Count > 0)
            faults.Add($"nobody holds {string.Join(", ", Gaps)}");
        if (Overlaps.Count > 0)
            faults.Add($"several hold {string.Join(", ", Overlaps)}");
        return $"'{Tensor}': {string.Join("; ", faults)}";
    }
}

/// <summary>Shards do not make up their tensors: elements without an owner, or with two.</summary>
public sealed class ShardOwnershipException : CheckpointException
{
    private ShardOwnershipException(string message, IReadOnlyList<OwnershipFault> faults) : base(message) => Faults = faults;

    /// <summary>What is wrong, by tensor.</summary>
    internal IReadOnlyList<OwnershipFault> Faults { get; }

    internal static ShardOwnershipException Of(IReadOnlyList<OwnershipFault> faults)
    {
        const int Most = 10;
        return new ShardOwnershipException(
            $"The shards do not make up their tensors: each element needs exactly one owner. {string.Join("; ", faults.Take(Most))}{(faults.Count > Most ? $" and {faults.Count - Most} more" : "")}. Declare the same global shape on all ranks, and boxes that meet without overlapping.", faults);
    }
}

/// <summary>The check that every element of a tensor has exactly one owner.</summary>
internal static class ShardOwnership
{
    private const int MostListed = 8;

    /// <summary>What is wrong with these shards of a tensor; <see langword="null"/> when each element is held once. Equal extents count as one shard: they are replicas.</summary>
    public static OwnershipFault? FaultOf(string tensor, ReadOnlySpan<long> globalShape, IEnumerable<ShardExtent> shards)
    {
        ShardExtent[] distinct = [.. shards.Distinct()];
        long elements = TensorBox.Elements(globalShape);
        TensorBox[] boxes = FullBoxes(distinct) ?? [.. distinct.SelectMany(shard => shard.Boxes())];
        var overlaps = new List<TensorBox>();
        Overlaps(boxes, overlaps);
        if (overlaps.Count == 0 && boxes.Sum(box => box.Count) == elements)
            return null;
        var gaps = new List<TensorBox> { new(new long[globalShape.Length], globalShape) };
        if (elements == 0)
            gaps.Clear();
        foreach (TensorBox box in boxes)
            gaps = [.. gaps.SelectMany(gap => gap.Without(box))];
        return new OwnershipFault(tensor, [.. gaps.Take(MostListed)], overlaps);
    }

    // The usual case: flat ranges tile the boxes that they are cut from. Then only the boxes need to be compared.
    private static TensorBox[]? FullBoxes(ShardExtent[] shards)
    {
        var full = new List<TensorBox>();
        foreach (IGrouping<(string, bool), ShardExtent> group in shards.GroupBy(shard => (shard.Box.ToString(), shard.IsFlat)))
        {
            long end = 0;
            foreach (ShardExtent shard in group.OrderBy(shard => shard.Start).ThenBy(shard => shard.Count))
            {
                if (shard.Start != end)
                    return null;
                end += shard.Count;
            }
            TensorBox box = group.First().Box;
            if (end != box.Count)
                return null;
            full.Add(box);
        }
        return [.. full];
    }

    private static void Overlaps(TensorBox[] boxes, List<TensorBox> found)
    {
        TensorBox[] ordered = [.. boxes.Where(box => box.Count > 0).OrderBy(box => box.Rank == 0 ? 0 : box.Offset[0])];
        for (int i = 0; i < ordered.Length && found.Count < MostListed; i++)
        {
            TensorBox box = ordered[i];
            long end = box.Rank == 0 ? 1 : box.Offset[0] + box.Shape[0];
            for (int j = i + 1; j < ordered.Length && (box.Rank == 0 || ordered[j].Offset[0] < end) && found.Count < MostListed; j++)
            {
                if (box.Intersect(ordered[j]) is { } common)
                    found.Add(common);
            }
        }
    }
}
