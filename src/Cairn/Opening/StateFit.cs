using System.Globalization;
using Cairn.State;

namespace Cairn.Opening;

/// <summary>
/// Cuts a saved part, whole as it is, to what one rank holds of it: where the live state has a shard, the saved tensor becomes just that shard. What only
/// other ranks hold is left out; what no rank holds stays, for its owner to take or to refuse.
/// </summary>
internal static class StateFit
{
    /// <summary>The saved state as this rank gets it.</summary>
    /// <param name="saved">The whole part.</param>
    /// <param name="live">What this rank has now.</param>
    /// <param name="isElsewhere">Whether the leaf of this path, which this rank does not have, is held by another.</param>
    public static StateMap Cut(StateMap saved, StateMap live, Func<string, bool> isElsewhere) => Map(saved, live, "", isElsewhere);

    private static StateMap Map(StateMap saved, StateMap? live, string path, Func<string, bool> isElsewhere)
    {
        var cut = new StateMap();
        foreach ((string key, StateNode node) in saved)
        {
            StateNode? own = live is not null && live.TryGetValue(key, out StateNode? found) ? found : null;
            if (Node(node, own, Join(path, TensorNames.Escape(key)), isElsewhere) is { } kept)
                cut.Add(key, kept);
        }
        return cut;
    }

    private static StateNode? Node(StateNode saved, StateNode? live, string path, Func<string, bool> isElsewhere)
    {
        switch (saved)
        {
            case StateMap { Count: > 0 } map when live is null or StateMap:
                StateMap cut = Map(map, live as StateMap, path, isElsewhere);
                return cut.Count > 0 || live is not null ? cut : null;
            case StateList list when live is StateList own && own.Count == list.Count:
                return new StateList(list.Select((item, i) => Node(item, own[i], Join(path, i.ToString(CultureInfo.InvariantCulture)), isElsewhere)!));
            case StateTensor tensor when live is ShardTensor shard && tensor.Shape.SequenceEqual(shard.Extent.GlobalShape):
                return tensor.Slice(shard.Extent);
            default:
                return live is null && isElsewhere(path) ? null : saved;
        }
    }

    private static string Join(string path, string key) => path.Length == 0 ? key : $"{path}/{key}";
}
