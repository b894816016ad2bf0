using System.Globalization;
using Cairn.State;

namespace Cairn.Layouts.PyTorch;

/// <summary>Makes a state by parameter name of PyTorch's <c>optimizer.state_dict()</c>, and reports what does not fit.</summary>
internal sealed class TorchOptimizerReader(TorchOptimizerKind kind, StateMap states, RestoreProblems problems)
{
    // What named_parameters() gave the optimizer, since PyTorch 2.6.
    private const string Names = "param_names";

    private readonly StateMap _byName = [];
    private readonly StateList _groups = [];
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private bool _isBad;

    public StateMap? Read(StateList saved, IReadOnlyList<IReadOnlyList<TorchOptimizerParameter>> live)
    {
        if (saved.Count != live.Count)
            Mismatched("param_groups", $"{live.Count} groups", $"{saved.Count} groups");
        for (int i = 0; i < saved.Count && !_isBad; i++)
        {
            if (saved[i] is StateMap group && group.TryGetValue("params", out StateNode? node) && node is StateList ids)
                Group($"param_groups.{i}", group, ids, live[i]);
            else
                Mismatched($"param_groups.{i}", "a map with the list 'params'", "another value");
        }
        foreach (string id in states.Keys)
        {
            if (!_isBad && !_known.Contains(id))
                Unexpected($"state.{id}");
        }
        return _isBad ? null : new StateMap { { "type", kind.Type }, { "state", _byName }, { "groups", _groups } };
    }

    private void Group(string path, StateMap saved, StateList ids, IReadOnlyList<TorchOptimizerParameter> live)
    {
        if (ids.Count != live.Count)
        {
            Mismatched($"{path}.params", $"{live.Count} parameters", $"{ids.Count}");
            return;
        }
        if (saved.TryGetValue(Names, out StateNode? names))
            CheckOrder($"{path}.{Names}", names as StateList ?? [], live);
        StateMap group = Options(path, saved);
        for (int i = 0; i < live.Count && !_isBad; i++)
        {
            string id = Convert.ToString((ids[i] as StateScalar)?.Value, CultureInfo.InvariantCulture) ?? "";
            if (!_known.Add(id))
                Mismatched($"{path}.params.{i}", "each parameter once", id);
            else
                _byName.Add(live[i].Name, Values($"state.{id}", saved, group, states.TryGetValue(id, out StateNode? node) ? node : new StateMap(), live[i]));
        }
        group.Add("params", new StateList(live.Select(parameter => (StateNode)parameter.Name)));
        _groups.Add(group);
    }

    // Names may be those of another wrapper of the same model; that of another parameter here means another order.
    private void CheckOrder(string path, StateList names, IReadOnlyList<TorchOptimizerParameter> live)
    {
        for (int i = 0; i < Math.Min(names.Count, live.Count); i++)
        {
            if (names[i] is not StateScalar { Value: string name } || name == live[i].Name || !live.Any(parameter => parameter.Name == name))
                continue;
            Mismatched($"{path}.{i}", live[i].Name, name);
            return;
        }
    }

    private StateMap Options(string path, StateMap saved)
    {
        StateMap group = [];
        var known = new HashSet<string>(StringComparer.Ordinal) { "params", Names, "initial_lr" };
        known.UnionWith(TorchOptimizerKind.SchedulerKeys);
        foreach (TorchOptimizerOption option in kind.Options)
        {
            known.Add(option.Name);
            Option($"{path}.{option.Name}", saved, option, group);
        }
        if ((saved.ContainsKey("initial_lr") ? Number(saved, "initial_lr") : Number(group, "lr")) is double initial)
            group.Add("initial_lr", initial);
        else if (!_isBad)
            Mismatched($"{path}.initial_lr", "a number", Describe(saved["initial_lr"]));
        foreach ((string key, bool value) in kind.Fixed)
        {
            known.Add(key);
            // What was not there yet when the file was written did what it does now by default.
            if (saved.TryGetValue(key, out StateNode? node) && node is not StateScalar { Value: null } && (node as StateScalar)?.Value as bool? != value)
                Mismatched($"{path}.{key}", $"{value}: {kind.Type} has no such option here", Describe(node));
        }
        known.UnionWith(TorchOptimizerKind.Neutral.Select(way => way.Key));
        foreach (string key in saved.Keys.Where(key => !known.Contains(key)))
            Unexpected($"{path}.{key}");
        return group;
    }

    private void Option(string path, StateMap saved, TorchOptimizerOption option, StateMap group)
    {
        if (!saved.TryGetValue(option.Name, out StateNode? node))
        {
            switch (option.Default)
            {
                case bool flag: group.Add(option.Name, flag); break;
                case double number: group.Add(option.Name, number); break;
                default: Missing(path); break;
            }
            return;
        }
        double?[] numbers = node is StateList list ? [.. list.Select(TorchOptimizer.NumberIn)] : [];
        if (option.Parts is { } parts && numbers.Length == parts.Length && Array.TrueForAll(numbers, number => number is not null))
        {
            for (int i = 0; i < parts.Length; i++)
                group.Add(parts[i], numbers[i]!.Value);
        }
        else if (option is { Parts: null, Name: "betas" } && numbers is [{ } first, { } second])
            group.Add(option.Name, new StateList([first, second]));
        else if (option is { Parts: null, Default: bool standard } && node is StateScalar { Value: bool or null } flag)
            group.Add(option.Name, flag.Value as bool? ?? standard);
        else if (option is { Parts: null, Default: not bool, Name: not "betas" } && TorchOptimizer.NumberIn(node) is double number)
            group.Add(option.Name, number);
        else
            Mismatched(path, option.Default is bool ? "a bool" : option.Parts is not null || option.Name == "betas" ? "two numbers" : "a number", Describe(node));
    }

    private StateMap Values(string path, StateMap savedGroup, StateMap group, StateNode saved, TorchOptimizerParameter parameter)
    {
        StateMap values = [];
        if (saved is not StateMap map)
        {
            Mismatched(path, "a map", Describe(saved));
            return values;
        }
        foreach (TorchOptimizerEntry entry in kind.State)
            Value($"{path}.{entry.Name}", map, entry, savedGroup, group, parameter, values);
        foreach (string name in map.Keys.Where(name => kind.State.All(entry => entry.Name != name)))
            Unexpected($"{path}.{name}");
        return values;
    }

    private void Value(string path, StateMap saved, TorchOptimizerEntry entry, StateMap savedGroup, StateMap group, TorchOptimizerParameter parameter, StateMap values)
    {
        if (!saved.TryGetValue(entry.Name, out StateNode? node) || node is StateScalar { Value: null })
        {
            bool isUsed = TorchOptimizerKind.IsUsed(entry, savedGroup);
            // PyTorch keeps either nothing yet or everything.
            if (saved.Count > 0 && isUsed && entry.Presence != TorchOptimizerPresence.Later)
                Missing(path);
            else if (entry.Presence == TorchOptimizerPresence.Always || (entry.Presence == TorchOptimizerPresence.WithOption && isUsed))
                values.Add(entry.Name, Start(entry, group, parameter));
        }
        else if (entry.Value == TorchOptimizerValue.Moment)
            values.Add(entry.Name, node);
        else if (TorchOptimizer.NumberIn(node) is not double number || (entry.Value == TorchOptimizerValue.Step && number != Math.Floor(number)))
            Mismatched(path, entry.Value == TorchOptimizerValue.Step ? "a whole number" : "a number", Describe(node));
        else
            values.Add(entry.Name, NodeOf(entry, number));
    }

    private static StateNode Start(TorchOptimizerEntry entry, StateMap group, TorchOptimizerParameter parameter)
    {
        double start = entry.Start switch
        {
            double number => number,
            string option => Number(group, option) ?? 0,
            _ => 0,
        };
        return entry.Value == TorchOptimizerValue.Moment ? new FilledTensor(parameter.Type, [.. parameter.Shape], start) : NodeOf(entry, start);
    }

    private static StateNode NodeOf(TorchOptimizerEntry entry, double number)
    {
        if (entry.Value == TorchOptimizerValue.Step)
            return (long)number;
        return number;
    }

    private static double? Number(StateMap map, string name) => map.TryGetValue(name, out StateNode? node) ? TorchOptimizer.NumberIn(node) : null;

    private static string Describe(StateNode node) => node switch
    {
        StateScalar scalar => string.Create(CultureInfo.InvariantCulture, $"{scalar.Value ?? "None"}"),
        StateTensor tensor => tensor.ToString(),
        StateList list => $"a list of {list.Count}",
        _ => "a map",
    };

    private void Missing(string entry)
    {
        problems.AddMissing(entry);
        _isBad = true;
    }

    private void Mismatched(string entry, string expected, string found)
    {
        problems.AddMismatched(entry, expected, found);
        _isBad = true;
    }

    private void Unexpected(string entry)
    {
        problems.AddUnexpected(entry);
        _isBad = true;
    }
}
