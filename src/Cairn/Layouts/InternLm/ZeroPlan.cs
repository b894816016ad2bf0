using System.Globalization;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>Where a parameter lies: in the flattened tensor of one rank of its group.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Shape">Its shape on this rank of the model.</param>
/// <param name="Owner">The rank of the group that has it.</param>
/// <param name="Offset">Elements before it in that rank's flattened tensor.</param>
internal sealed record ZeroPlace(string Name, IReadOnlyList<long> Shape, int Owner, long Offset)
{
    /// <summary>Its elements.</summary>
    public long Count => Shape.Aggregate(1L, (product, size) => product * size);
}

/// <summary>How the parameters of a group were given to ranks: <c>HybridZeroOptimizer._partition_param_list</c>.</summary>
internal static class ZeroPlan
{
    /// <summary>The places that a plan says: for each rank a list of <c>"i_d0_d1"</c>, with the place in the order of falling size and the shape.</summary>
    /// <param name="plan">A group of <c>zero_devide_optim_plan</c>.</param>
    /// <param name="parameters">The group's parameters, as the model lists them.</param>
    /// <returns>The places, or <see langword="null"/> when the plan is not one of these parameters.</returns>
    public static List<ZeroPlace>? Read(TorchValue plan, IReadOnlyList<KeyValuePair<string, StateTensor>> parameters)
    {
        KeyValuePair<string, StateTensor>[] sorted = Sorted(parameters);
        var places = new List<ZeroPlace>(sorted.Length);
        var seen = new HashSet<int>();
        if (plan is not TorchList ranks)
            return null;
        for (int rank = 0; rank < ranks.Count; rank++)
        {
            long offset = 0;
            if (ranks[rank] is not TorchList entries)
                return null;
            foreach (TorchValue entry in entries)
            {
                if ((entry as TorchScalar)?.Value is not string text
                    || !int.TryParse(text.Split('_')[0], NumberStyles.None, CultureInfo.InvariantCulture, out int index) || index >= sorted.Length || !seen.Add(index)
                    || text != FlattenedOptimizer.PlanEntry(index, sorted[index].Value.Shape))
                    return null;
                var place = new ZeroPlace(sorted[index].Key, sorted[index].Value.Shape, rank, offset);
                offset += place.Count;
                places.Add(place);
            }
        }
        return places.Count == sorted.Length ? places : null;
    }

    /// <summary>The places that InternLM gives without a plan: the next larger parameter goes to the rank that has the fewest elements.</summary>
    public static List<ZeroPlace> Make(int ranks, IReadOnlyList<KeyValuePair<string, StateTensor>> parameters)
    {
        long[] filled = new long[ranks];
        var places = new List<ZeroPlace>(parameters.Count);
        foreach ((string name, StateTensor tensor) in Sorted(parameters))
        {
            int owner = Array.IndexOf(filled, filled.Min());
            var place = new ZeroPlace(name, tensor.Shape, owner, filled[owner]);
            filled[owner] += place.Count;
            places.Add(place);
        }
        return places;
    }

    private static KeyValuePair<string, StateTensor>[] Sorted(IReadOnlyList<KeyValuePair<string, StateTensor>> parameters) =>
        [.. FlattenedOptimizer.InOrder(parameters, parameter => FlattenedTensor.Elements(parameter.Value))];
}
