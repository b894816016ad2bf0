namespace Cairn.State;

/// <summary>A box within a tensor.</summary>
/// <param name="Offset">Where it begins, a coordinate for each dimension.</param>
/// <param name="Shape">Its sizes.</param>
public readonly record struct ShardBox(IReadOnlyList<long> Offset, IReadOnlyList<long> Shape);

/// <summary>Whether boxes own every element of a tensor exactly once.</summary>
public static class ShardCover
{
    /// <summary>What is wrong, in words; <see langword="null"/> when every element has exactly one owner. The boxes must lie within the shape.</summary>
    /// <remarks>Sorted along one dimension and swept: n boxes of a tensor that is cut along one dimension take n log n, not n².</remarks>
    public static string? Problem(ReadOnlySpan<long> shape, IReadOnlyList<ShardBox> boxes)
    {
        long elements = 1, owned = 0;
        foreach (long size in shape)
            elements = checked(elements * size);
        ShardBox[] real = [.. boxes.Where(box => Count(box) > 0)];
        foreach (ShardBox box in real)
            owned = checked(owned + Count(box));
        if (Overlap(shape.Length, real) is { } overlap)
            return overlap;
        // Without an overlap and within the shape, equal counts mean no hole.
        return owned == elements ? null : $"{elements - owned} of its {elements} elements are in none of them";
    }

    private static string? Overlap(int dimensions, ShardBox[] boxes)
    {
        if (dimensions == 0)
            return boxes.Length > 1 ? $"{boxes.Length} hold its one element" : null;
        // The dimension with the most cuts makes the shortest lists of boxes that are open at once.
        int along = Enumerable.Range(0, dimensions).MaxBy(d => boxes.Select(box => box.Offset[d]).Distinct().Count());
        Array.Sort(boxes, (a, b) => a.Offset[along].CompareTo(b.Offset[along]));
        var open = new List<ShardBox>();
        foreach (ShardBox box in boxes)
        {
            open.RemoveAll(other => other.Offset[along] + other.Shape[along] <= box.Offset[along]);
            foreach (ShardBox other in open)
            {
                if (Intersect(box, other))
                    return $"the ones at [{string.Join(", ", other.Offset)}] and [{string.Join(", ", box.Offset)}] overlap";
            }
            open.Add(box);
        }
        return null;
    }

    private static bool Intersect(ShardBox a, ShardBox b)
    {
        for (int i = 0; i < a.Offset.Count; i++)
        {
            if (a.Offset[i] >= b.Offset[i] + b.Shape[i] || b.Offset[i] >= a.Offset[i] + a.Shape[i])
                return false;
        }
        return true;
    }

    private static long Count(ShardBox box)
    {
        long count = 1;
        foreach (long size in box.Shape)
            count = checked(count * size);
        return count;
    }
}
