using System.Globalization;
using Cairn.State;

namespace Cairn.Layouts;

/// <summary>
/// Puts what the ranks wrote of a part together again: maps are united, lists item by item, and the shards of a tensor become that tensor.
/// Each tensor and each value stands in one file.
/// </summary>
internal sealed class PartMerge
{
    private readonly Dictionary<StateTensor, StateTensor> _joined = new(ReferenceEqualityComparer.Instance);
    private readonly List<OwnershipFault> _faults = [];
    private readonly string _part;

    private PartMerge(string part) => _part = part;

    /// <summary>The part.</summary>
    /// <param name="part">Its name.</param>
    /// <param name="folder">The checkpoint's folder, for errors.</param>
    /// <param name="trees">What each file holds.</param>
    /// <exception cref="ShardOwnershipException">An element of a tensor has no owner or several.</exception>
    /// <exception cref="CorruptCheckpointException">The files contradict each other.</exception>
    public static StateMap Merge(string part, string folder, IReadOnlyList<(string File, StateMap Tree)> trees)
    {
        if (trees is [var only] && IsWhole(only.Tree))
            return only.Tree;
        var merge = new PartMerge(part);
        try
        {
            StateNode merged = merge.Node("", [.. trees.Select(tree => (tree.File, (StateNode)tree.Tree))]);
            return merge._faults.Count == 0 ? (StateMap)merged : throw ShardOwnershipException.Of(merge._faults);
        }
        catch (FormatException e)
        {
            throw CorruptPart.Because(folder, $"the files of part '{part}' contradict each other", "each tensor and value in one file", e.Message, e);
        }
    }

    private static bool IsWhole(StateNode node) => node switch
    {
        StateMap map => map.Values.All(IsWhole),
        StateList list => list.All(IsWhole),
        _ => node is not (ShardTensor or StateElsewhere),
    };

    private StateNode Node(string path, List<(string File, StateNode Node)> found)
    {
        found.RemoveAll(item => item.Node is StateElsewhere);
        if (found.Count == 0)
            throw new FormatException($"'{path}' stands in none of them");
        StateNode first = found[0].Node;
        if (first is StateTensor)
            return Tensor(path, found);
        if (found.Count == 1 && first is StateScalar)
            return first;
        if (found.TrueForAll(item => item.Node is StateMap))
            return Map(path, found);
        if (found.TrueForAll(item => item.Node is StateList))
            return List(path, found);
        throw new FormatException($"'{path}' stands in {found[0].File} and in {found[1].File}");
    }

    private StateMap Map(string path, List<(string File, StateNode Node)> found)
    {
        var children = new OrderedDictionary<string, List<(string, StateNode)>>(StringComparer.Ordinal);
        foreach ((string file, StateNode node) in found)
        {
            foreach ((string key, StateNode child) in (StateMap)node)
            {
                if (!children.TryGetValue(key, out List<(string, StateNode)>? list))
                    children.Add(key, list = []);
                list.Add((file, child));
            }
        }
        var map = new StateMap();
        foreach ((string key, List<(string, StateNode)> list) in children)
            map.Add(key, Node(path.Length == 0 ? key : $"{path}/{key}", list));
        return map;
    }

    private StateList List(string path, List<(string File, StateNode Node)> found)
    {
        int count = ((StateList)found[0].Node).Count;
        if (found.Find(item => ((StateList)item.Node).Count != count) is { File: not null } other)
            throw new FormatException($"the list '{path}' has {count} items in {found[0].File} and {((StateList)other.Node).Count} in {other.File}");
        if (found.Count > 1 && count == 0)
            throw new FormatException($"'{path}' stands in {found[0].File} and in {found[1].File}");
        var list = new StateList();
        for (int i = 0; i < count; i++)
        {
            int index = i;
            list.Add(Node($"{path}/{i.ToString(CultureInfo.InvariantCulture)}", [.. found.Select(item => (item.File, ((StateList)item.Node)[index]))]));
        }
        return list;
    }

    private StateTensor Tensor(string path, List<(string File, StateNode Node)> found)
    {
        if (found.Find(item => item.Node is not StateTensor) is { File: not null } other)
            throw new FormatException($"'{path}' is a tensor in {found[0].File} and none in {other.File}");
        var shards = found.ConvertAll(item => (StateTensor)item.Node);
        // The shards of a tied tensor are tied in each file.
        if (_joined.TryGetValue(shards[0], out StateTensor? tied))
            return tied;
        if (shards is [not ShardTensor])
            return shards[0];
        StateTensor first = shards[0];
        long[] shape = GlobalShape(first);
        for (int i = 1; i < shards.Count; i++)
        {
            if (shards[i].Type != first.Type || !GlobalShape(shards[i]).AsSpan().SequenceEqual(shape))
                throw new FormatException($"'{path}' is {first} in {found[0].File} and {shards[i]} in {found[i].File}");
        }
        ShardTensor[] parts = [.. shards.Select(shard => shard as ShardTensor ?? new ShardTensor(shard, ShardExtent.Whole([.. shard.Shape])))];
        if (parts.Length != parts.DistinctBy(shard => shard.Extent).Count())
            throw new FormatException($"a shard of '{path}' stands twice");
        StateTensor joined;
        if (ShardOwnership.FaultOf($"{_part}/{path}", shape, parts.Select(shard => shard.Extent)) is { } fault)
        {
            _faults.Add(fault);
            joined = first;
        }
        else
        {
            joined = StateTensor.JoinChecked(parts);
        }
        _joined.Add(first, joined);
        return joined;
    }

    private static long[] GlobalShape(StateTensor tensor) => [.. (tensor as ShardTensor)?.Extent.GlobalShape ?? tensor.Shape];
}
