using System.Buffers.Binary;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Layouts.PyTorch;

/// <summary>Makes PyTorch's <c>optimizer.state_dict()</c> of a state by parameter name.</summary>
internal sealed class TorchOptimizerWriter
{
    private readonly TorchOptimizerKind _kind;
    private readonly bool _byName;
    private readonly TorchMap _states = new();
    private readonly TorchList _groups = new(TorchListKind.List);
    private long _position;

    /// <param name="kind">The optimizer.</param>
    /// <param name="byName">Whether parameters go by their names, as <c>get_optimizer_state_dict</c> has them, and not by their numbers.</param>
    public TorchOptimizerWriter(TorchOptimizerKind kind, bool byName = false)
    {
        _kind = kind;
        _byName = byName;
        StateDict = new TorchMap { ["state"] = _states, ["param_groups"] = _groups };
    }

    /// <summary>What PyTorch's <c>load_state_dict</c> takes.</summary>
    public TorchMap StateDict { get; }

    /// <summary>Adds a group with what is kept for its parameters.</summary>
    public void Add(StateMap group, StateMap states)
    {
        var positions = new TorchList(TorchListKind.List);
        foreach (StateNode parameter in (StateList)group["params"])
        {
            string name = (string)((StateScalar)parameter).Value!;
            TorchValue key = _byName ? name : _position++;
            positions.Add(key);
            _states.Add(key, Values(group, (StateMap)states[name]));
        }
        TorchMap written = Options(group);
        written.Add("params", positions);
        _groups.Add(written);
    }

    private TorchMap Values(StateMap group, StateMap state)
    {
        var values = new TorchMap();
        foreach (TorchOptimizerEntry entry in _kind.State)
        {
            if (!TorchOptimizerKind.IsUsed(entry, group))
                continue;
            if (state.TryGetValue(entry.Name, out StateNode? node))
                values.Add(entry.Name, entry.Value == TorchOptimizerValue.Moment ? TorchTree.FromState(node) : Single(TorchOptimizer.NumberIn(node) ?? throw NoNumber(entry.Name)));
            else if (entry.Presence == TorchOptimizerPresence.Later)
                values.Add(entry.Name, TorchScalar.None);
            else
                throw new CheckpointException($"The state of {_kind.Type} lacks '{entry.Name}', so it cannot be written for PyTorch.") { Expected = entry.Name };
        }
        return values;
    }

    private TorchMap Options(StateMap group)
    {
        var options = new TorchMap();
        foreach (TorchOptimizerOption option in _kind.Options)
            options.Add(option.Name, option.Parts is null ? Option(group, option.Name) : new TorchList(TorchListKind.Tuple, option.Parts.Select(part => Option(group, part))));
        foreach ((string key, bool value) in _kind.Fixed)
            options.Add(key, value);
        foreach ((string key, bool? value) in TorchOptimizerKind.Neutral)
            options.Add(key, value is bool flag ? flag : TorchScalar.None);
        if (group.ContainsKey("initial_lr"))
            options.Add("initial_lr", Option(group, "initial_lr"));
        return options;
    }

    private static TorchValue Option(StateMap group, string name) => group[name] switch
    {
        StateScalar { Value: bool flag } => flag,
        StateList pair => new TorchList(TorchListKind.Tuple, pair.Select(number => (TorchValue)(TorchOptimizer.NumberIn(number) ?? throw NoNumber(name)))),
        StateNode number => TorchOptimizer.NumberIn(number) ?? throw NoNumber(name),
    };

    private static TorchTensorValue Single(double number)
    {
        byte[] bytes = new byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, (float)number);
        return new TorchTensorValue(new MemoryTensor(TensorType.F32, [], bytes));
    }

    private static CheckpointException NoNumber(string name) =>
        new($"The optimizer's '{name}' is no number, so it cannot be written for PyTorch.") { Expected = "a number" };
}
