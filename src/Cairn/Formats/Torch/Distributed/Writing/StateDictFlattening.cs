using System.Globalization;

namespace Cairn.Formats.Torch.Distributed.Writing;

/// <summary>
/// Flattens dicts and lists as PyTorch 2.4 and newer do before they save (<c>torch/distributed/checkpoint/_traverse.py</c>): dicts always, lists where a tensor or a dict is somewhere in them, tuples never.
/// All keys are text. A dict without entries leaves nothing behind.
/// </summary>
internal sealed class StateDictFlattening
{
    // As many as are read again.
    private const int MaxDepth = PathTree.MaxDepth;

    private readonly List<FlatValue> _values = [];
    private readonly List<string> _empty = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly List<object> _path = [];

    /// <summary>The values, in the order in which they are met.</summary>
    public IReadOnlyList<FlatValue> Values => _values;
    /// <summary>The names of dicts without entries, which the format cannot hold.</summary>
    public IReadOnlyList<string> Empty => _empty;

    /// <summary>Flattens a state.</summary>
    /// <exception cref="ArgumentException">Two values get one name, a key is neither text nor a whole number, or there are more than 64 levels.</exception>
    public static StateDictFlattening Of(TorchMap root)
    {
        var flat = new StateDictFlattening();
        flat.Entries(root);
        return flat;
    }

    private void Entries(TorchMap map)
    {
        foreach ((TorchValue key, TorchValue value) in map)
        {
            Enter(KeyNames.Plain(key) ?? throw new ArgumentException($"At '{Name()}' stands the key {KeyNames.Described(key)}; a distributed checkpoint of PyTorch has text and whole numbers as keys.", nameof(map)));
            Value(value);
            Leave();
        }
    }

    private void Value(TorchValue value)
    {
        switch (value)
        {
            case TorchMap { Count: 0 }:
                _empty.Add(Name());
                break;
            case TorchMap map:
                Entries(map);
                break;
            case TorchList { Kind: TorchListKind.List } list when !IsTerminal(list):
                for (int i = 0; i < list.Count; i++)
                {
                    Enter((long)i);
                    Value(list[i]);
                    Leave();
                }
                break;
            default:
                string name = Name();
                if (!_names.Add(name))
                    throw new ArgumentException($"Two values are named '{name}' when their keys are joined by points, and a distributed checkpoint of PyTorch has one of a name. Rename one.", nameof(value));
                _values.Add(new FlatValue(name, [.. _path], value));
                break;
        }
    }

    private static bool IsTerminal(TorchList list) =>
        list.All(item => item is not (TorchTensorValue or TorchMap) && (item is not TorchList { Kind: TorchListKind.List } inner || IsTerminal(inner)));

    private void Enter(object key)
    {
        if (_path.Count == MaxDepth)
            throw new ArgumentException($"At '{Name()}' the state is deeper than {MaxDepth} levels, which a distributed checkpoint does not hold here.", nameof(key));
        _path.Add(key);
    }

    private void Leave() => _path.RemoveAt(_path.Count - 1);

    private string Name() => string.Join('.', _path.Select(key => Convert.ToString(key, CultureInfo.InvariantCulture)));
}
