using System.Globalization;
using Cairn.State;

namespace Cairn.Formats.Torch.Distributed;

/// <summary>
/// Puts values at the ends of their paths. A level whose keys are the numbers from 0 on is a list, any other a map; and so is what an optimizer keeps for its parameters (<c>state</c> beside <c>param_groups</c>), whose keys
/// are the parameters' numbers.
/// </summary>
internal sealed class PathTree(string path)
{
    /// <summary>Most keys of a path.</summary>
    public const int MaxDepth = 64;

    private const string States = "state", Groups = "param_groups";

    private readonly Level _root = new();

    /// <exception cref="CorruptDistributedCheckpointException">Something stands there, or above it.</exception>
    public void Add(DistributedItem item, StateNode node) => Add(item.Name, item.Path, node);

    /// <inheritdoc cref="Add(DistributedItem, StateNode)"/>
    public void Add(string name, IReadOnlyList<object> keys, StateNode node)
    {
        if (keys.Count > MaxDepth)
            throw new CorruptDistributedCheckpointException(DistributedFault.MetadataMalformed, path, "its path is too long", $"at most {MaxDepth} keys", $"{keys.Count}", name);
        Level level = _root;
        for (int i = 0; i < keys.Count - 1; i++)
        {
            if (!level.TryGetValue(keys[i], out object? next))
                level.Add(keys[i], next = new Level());
            level = next as Level ?? throw Conflict(name, keys);
        }
        if (!level.TryAdd(keys[^1], node))
            throw Conflict(name, keys);
    }

    public StateMap ToState() => (StateMap)ToState(_root, isMap: true);

    private StateNode ToState(Level level, bool isMap = false)
    {
        if (!isMap && level.Keys.All(key => key is long))
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
            map.Add(name, value as StateNode ?? ToState((Level)value, name == States && level.ContainsKey(Groups)));
        }
        return map;
    }

    private StateNode Node(object value) => value as StateNode ?? ToState((Level)value);

    private CorruptDistributedCheckpointException Conflict(string name, IReadOnlyList<object> keys) =>
        new(DistributedFault.NameConflict, path, "something else stands at its path", string.Join(" / ", keys), "it twice, or a value on the way", name);

    private sealed class Level : OrderedDictionary<object, object>;
}
