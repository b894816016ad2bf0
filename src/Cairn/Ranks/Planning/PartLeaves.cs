using System.Globalization;
using Cairn.State;

namespace Cairn.Ranks.Planning;

/// <summary>The leaves of a part's tree, in the order in which they are met. A list without tensors is one value, and so is an empty map.</summary>
internal static class PartLeaves
{
    /// <summary>The leaves.</summary>
    public static List<PartLeaf> Of(StateMap state)
    {
        var leaves = new List<PartLeaf>();
        var first = new Dictionary<StateTensor, int>(ReferenceEqualityComparer.Instance);
        Visit(state, "");
        return leaves;

        void Visit(StateNode node, string path)
        {
            switch (node)
            {
                case StateMap { Count: > 0 } map:
                    foreach ((string key, StateNode child) in map)
                        Visit(child, Join(path, TensorNames.Escape(key)));
                    break;
                case StateList list when HoldsTensor(list):
                    for (int i = 0; i < list.Count; i++)
                        Visit(list[i], Join(path, i.ToString(CultureInfo.InvariantCulture)));
                    break;
                case StateTensor tensor:
                    bool isNew = first.TryAdd(tensor, leaves.Count);
                    leaves.Add(new PartLeaf(path, isNew ? tensor : null, isNew ? -1 : first[tensor]));
                    break;
                default:
                    leaves.Add(new PartLeaf(path, null, -1));
                    break;
            }
        }
    }

    /// <summary>
    /// The tree with only some of its leaves, chosen by their number in the order of <see cref="Of"/>; <see langword="null"/> when that leaves nothing. In a list that is
    /// kept, a leaf that is not becomes a <see cref="StateElsewhere"/>, so that the others keep their indexes.
    /// </summary>
    public static StateMap? Select(StateMap state, Func<int, bool> keeps)
    {
        int next = 0;
        return (StateMap?)Visit(state);

        StateNode? Visit(StateNode node)
        {
            switch (node)
            {
                case StateMap { Count: > 0 } map:
                    var some = new StateMap();
                    foreach ((string key, StateNode child) in map)
                    {
                        if (Visit(child) is { } kept)
                            some.Add(key, kept);
                    }
                    return some.Count > 0 ? some : null;
                case StateList list when HoldsTensor(list):
                    StateNode?[] items = [.. list.Select(Visit)];
                    return Array.TrueForAll(items, item => item is null) ? null : new StateList(items.Select(item => item ?? StateElsewhere.Instance));
                default:
                    return keeps(next++) ? node : null;
            }
        }
    }

    private static bool HoldsTensor(StateNode node) => node switch
    {
        StateTensor => true,
        StateMap map => map.Values.Any(HoldsTensor),
        StateList list => list.Any(HoldsTensor),
        _ => false,
    };

    private static string Join(string path, string key) => path.Length == 0 ? key : $"{path}/{key}";
}
