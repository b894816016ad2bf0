using System.Globalization;
using Cairn.State;

namespace Cairn.Formats.Torch.Distributed;

/// <summary>Puts values at the ends of their paths. A level whose keys are the numbers from 0 on is a list, any other a map.</summary>
internal sealed class PathTree(string path)
{
    private const int MaxDepth = 64;

    private readonly Level _root = new();

    /// <exception cref="CorruptDistributedCheckpointException">Something stands there, or above it.</exception>
    public void Add(DistributedItem item, StateNode node)
    {
        if (item.Path.Count > MaxDepth)
            throw new CorruptDistributedCheckpointException(DistributedFault.MetadataMalformed, path, "its path is too long", $"at most {MaxDepth} keys", $"{item.Path.Count}", item.Name);
        Level level = _root;
        for (int i = 0; i < item.Path.Count - 1; i++)
        {
            if (!level.TryGetValue(item.Path[i], out object? next))
                level.Add(item.Path[i], next = new Level());
            level = next as Level ?? throw Conflict(item);
        }
        if (!level.TryAdd(item.Path[^1], node))
            throw Conflict(item);
    }

    public StateMap ToState() => (StateMap)ToState(_root, isRoot: true);

    private StateNode ToState(Level level, bool isRoot = false)
    {
        if (!isRoot && level.Keys.All(key => key is long))
        {
            (object Key, object Value)[] ordered = [.. level.Select(entry => (entry.Key, entry.Value)).OrderBy(entry => (long)entry.Key)];
            if (ordered.Select((entry, i) => (long)entry.Key == i).All(same => same))
                return new StateList(ordered.Select(entry => Node(entry.Value)));
        }
        var map = new StateMap();
        foreach ((object key, object value) in level)
        {
            string name = Convert.ToString(key, CultureInfo.InvariantCulture)!;
            if (map.ContainsKey(name))
                throw new CorruptDistributedCheckpointException(DistributedFault.NameConflict, path, $"'{name}' is a text and a number at one place", "one", "both");
            map.Add(name, Node(value));
        }
        return map;
    }

    private StateNode Node(object value) => value as StateNode ?? ToState((Level)value);

    private CorruptDistributedCheckpointException Conflict(DistributedItem item) =>
        new(DistributedFault.NameConflict, path, "something else stands at its path", string.Join(" / ", item.Path), "it twice, or a value on the way", item.Name);

    private sealed class Level : OrderedDictionary<object, object>;
}
