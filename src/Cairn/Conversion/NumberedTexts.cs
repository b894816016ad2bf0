using Cairn.State;

namespace Cairn.Conversion;

/// <summary>
/// Puts numbers (<c>\uDCE9</c>) in the place of halves of surrogate pairs, for layouts whose files are UTF-8 and JSON, which have no bytes for them. Python makes such texts of names
/// of files that are not UTF-8; a file of PyTorch holds them as they are.
/// </summary>
internal sealed class NumberedTexts
{
    // What is at two places stays one.
    private readonly Dictionary<StateNode, StateNode> _done = new(ReferenceEqualityComparer.Instance);
    private string? _first;
    private int _count;

    /// <summary>What was changed, for people; <see langword="null"/> when nothing was.</summary>
    public string? Note => _count == 0 ? null
        : $"written with numbers for what UTF-8 has no bytes for, as Python has it of names of files that are not UTF-8: {_first}{(_count > 1 ? $" and {_count - 1} more texts" : "")}";

    /// <summary>The state itself where nothing is to be changed.</summary>
    public StateMap Of(StateMap state) => (StateMap)Node(state);

    private StateNode Node(StateNode node)
    {
        if (node is StateScalar { Value: string text })
            return Text(text) is var good && ReferenceEquals(good, text) ? node : good;
        if (node is not (StateMap or StateList))
            return node;
        if (_done.TryGetValue(node, out StateNode? done))
            return done;
        _done.Add(node, done = node is StateMap map ? Map(map) : List((StateList)node));
        return done;
    }

    private StateMap Map(StateMap map)
    {
        StateMap changed = [];
        bool isSame = true;
        foreach ((string key, StateNode value) in map)
        {
            (string name, StateNode node) = (Text(key), Node(value));
            while (!ReferenceEquals(name, key) && (map.ContainsKey(name) || changed.ContainsKey(name)))
                name += "'";
            isSame &= ReferenceEquals(name, key) && ReferenceEquals(node, value);
            changed.Add(name, node);
        }
        return isSame ? map : changed;
    }

    private StateList List(StateList list)
    {
        StateNode[] items = [.. list.Select(Node)];
        return items.SequenceEqual(list, ReferenceEqualityComparer.Instance) ? list : new StateList(items);
    }

    private string Text(string text)
    {
        if (WellFormedText.Is(text))
            return text;
        string numbered = WellFormedText.Numbered(text);
        _first ??= $"'{numbered}'";
        _count++;
        return numbered;
    }
}
