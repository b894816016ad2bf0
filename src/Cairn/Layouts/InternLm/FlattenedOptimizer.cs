using System.Globalization;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// An optimizer's state as InternEvo's <c>HybridZeroOptimizer.state_dict</c> gives it on the only rank of a world: groups of parameters, each flattened in the
/// order of falling size (<c>internlm/solver/optimizer/hybrid_zero_optim.py</c>, <c>_partition_param_list</c>), with weights, moments and the plan of that order.
/// <para>
/// What has no place there (scalars of single parameters, options that PyTorch does not know, tensors of other shapes) stands in <see cref="Remainder"/>: the same
/// state once more, with a tuple <c>(index, offset, shape)</c> for each tensor that lies in a flattened one.
/// </para>
/// </summary>
internal sealed class FlattenedOptimizer
{
    public const string Groups = "groups", State = "state", Params = "params";

    private FlattenedOptimizer(TorchMap file, TorchMap remainder) => (File, Remainder) = (file, remainder);

    /// <summary>What stands in <c>optimizer_tp0_pp0_zo0.pt</c>.</summary>
    public TorchMap File { get; }
    /// <summary>What is needed besides to restore to the bit.</summary>
    public TorchMap Remainder { get; }
    /// <summary>The plan, which stands in a file of its own as well.</summary>
    public TorchValue Plan => File["zero_devide_optim_plan"];

    /// <summary>The groups as a learning-rate scheduler sees them, in their order.</summary>
    public IReadOnlyList<ScheduledGroup> ScheduledGroups =>
        [.. ((TorchList)((TorchMap)File["base_optim_states"])["param_groups"]).Cast<TorchMap>().Select(group => new ScheduledGroup(Number(group, "lr"), Number(group, "initial_lr", "lr")))];

    /// <summary>The state in this form, or <see langword="null"/> when it is no state of an optimizer over parameters of the model.</summary>
    /// <param name="optimizer">The part <c>optimizer</c>.</param>
    /// <param name="model">The part <c>model</c>, which has the weights.</param>
    /// <param name="scaler">The part <c>scaler</c>, where there is one.</param>
    /// <param name="master">The part <c>master</c>, where there is one: the weights in the precision that is trained.</param>
    /// <param name="isFp32Default">Whether a model of nothing but fp32 has its parameters in the group <c>default</c>, as in InternEvo since May 2024, and not in <c>fp32</c>.</param>
    public static FlattenedOptimizer? Of(StateMap optimizer, StateMap model, StateMap? scaler, StateMap? master, bool isFp32Default)
    {
        if (!optimizer.TryGetValue(State, out StateNode? states) || states is not StateMap state || GroupsOf(optimizer, model, isFp32Default) is not { } groups)
            return null;
        TorchMap stateByIndex = new(), weights = new();
        TorchList paramGroups = new(TorchListKind.List), plan = new(TorchListKind.List);
        var places = new Dictionary<StateTensor, TorchValue>(ReferenceEqualityComparer.Instance);
        for (int id = 0; id < groups.Count; id++)
        {
            Group group = groups[id];
            var indexes = new TorchList(TorchListKind.List);
            if (group.Parameters.Count > 0)
            {
                int index = stateByIndex.Count;
                indexes.Add(index);
                weights.Add(id, Flat(Trained(group, master), requiresGrad: true));
                stateByIndex.Add(index, FlatState(group, index, state, places));
            }
            paramGroups.Add(GroupValues(group, indexes));
            plan.Add(new TorchList(TorchListKind.List, [new TorchList(TorchListKind.List, group.Parameters.Select((parameter, i) => (TorchValue)PlanEntry(i, parameter.Weight.Shape)))]));
        }
        TorchMap file = new()
        {
            ["grad_scaler"] = Scaler(scaler),
            ["base_optim_states"] = new TorchMap { ["state"] = stateByIndex, ["param_groups"] = paramGroups },
            ["flat_fp32_weights"] = weights,
            ["zero_devide_optim_plan"] = plan,
        };
        return new FlattenedOptimizer(file, RemainderOf(optimizer, state, places));
    }

    /// <summary>How a plan names a parameter: its place in the order of falling size, and its shape.</summary>
    public static string PlanEntry(int place, IReadOnlyList<long> shape) => string.Join('_', shape.Prepend(place).Select(number => number.ToString(CultureInfo.InvariantCulture)));

    /// <summary>Parameters in the order in which they are flattened: larger ones first, else as they come.</summary>
    public static IEnumerable<T> InOrder<T>(IEnumerable<T> parameters, Func<T, long> elements) => parameters.OrderByDescending(elements);

    // InternEvo has a group for the parameters of half precision and one for those of fp32, empty or not, and its loader counts them. Since 2024-05 the second is for
    // single parameters of fp32, and a model of fp32 has all of its own in the first. A model of experts has a third one, for these.
    private static List<Group>? GroupsOf(StateMap optimizer, StateMap model, bool isFp32Default)
    {
        if (!optimizer.TryGetValue(Groups, out StateNode? node) || node is not StateList list || list.Count == 0)
            return null;
        var groups = new List<Group>();
        // InternLM's optimizer gets the parameters in the order of the modules, which is that of the state dict, whatever order another one was given.
        Dictionary<string, int> places = model.Keys.Select((name, place) => (name, place)).ToDictionary(entry => entry.name, entry => entry.place, StringComparer.Ordinal);
        foreach (StateNode item in list)
        {
            if (item is not StateMap options || !options.TryGetValue(Params, out StateNode? names) || names is not StateList parameters)
                return null;
            var found = new List<(string Name, StateTensor Weight)>();
            foreach (StateNode parameter in parameters)
            {
                if ((parameter as StateScalar)?.Value is not string name || !model.TryGetValue(name, out StateNode? weight) || weight is not StateTensor tensor)
                    return null;
                found.Add((name, tensor));
            }
            found.Sort((first, second) => places[first.Name].CompareTo(places[second.Name]));
            if (list.Count == 1)
            {
                bool isDefault = isFp32Default && found.TrueForAll(parameter => parameter.Weight.Type == TensorType.F32);
                bool IsOfExperts((string Name, StateTensor Weight) parameter) => WrittenExperts.IsExpert(parameter.Name) && (isDefault || parameter.Weight.Type != TensorType.F32);
                groups.Add(new Group("default", options, Sorted(found.Where(parameter => !IsOfExperts(parameter) && (isDefault || parameter.Weight.Type != TensorType.F32)))));
                groups.Add(new Group(ParameterGroup.Fp32, options, Sorted(found.Where(parameter => !isDefault && parameter.Weight.Type == TensorType.F32))));
                if (found.Exists(parameter => WrittenExperts.IsExpert(parameter.Name)))
                    groups.Add(new Group($"{ParameterGroup.Experts}1", options, Sorted(found.Where(IsOfExperts))));
            }
            else
            {
                groups.Add(new Group(string.Create(CultureInfo.InvariantCulture, $"group{groups.Count}"), options, Sorted(found)));
            }
        }
        return groups.TrueForAll(group => group.Parameters.TrueForAll(parameter => parameter.Weight.Type == group.Parameters[0].Weight.Type)) ? groups : null;
    }

    private static StateTensor[] Trained(Group group, StateMap? master)
    {
        StateTensor[] weights = [.. group.Parameters.Select(parameter => parameter.Weight)];
        StateTensor[] precise = [.. group.Parameters.Select(parameter => master is not null && master.TryGetValue(parameter.Name, out StateNode? node) ? node : null).OfType<StateTensor>()];
        return precise.Length == weights.Length && Array.TrueForAll(precise, weight => weight.Type == precise[0].Type) && precise.Zip(weights, (one, other) => one.Shape.SequenceEqual(other.Shape)).All(same => same)
            ? precise : weights;
    }

    private static List<(string Name, StateTensor Weight)> Sorted(IEnumerable<(string Name, StateTensor Weight)> parameters) =>
        [.. InOrder(parameters, parameter => FlattenedTensor.Elements(parameter.Weight))];

    private static TorchMap FlatState(Group group, int index, StateMap state, Dictionary<StateTensor, TorchValue> places)
    {
        TorchMap values = new();
        if (!state.TryGetValue(group.Parameters[0].Name, out StateNode? first) || first is not StateMap fields)
            return values;
        foreach ((string field, StateNode node) in fields)
        {
            if (node is StateScalar && Steps(group, state, field) is { } step)
                values.Add(field, field == "step" ? new TorchTensorValue(new MemoryTensor(TensorType.F32, [], BitConverter.GetBytes((float)step))) : step);
            if (node is not StateTensor || Moments(group, state, field) is not { } moments)
                continue;
            values.Add(field, Flat(moments, requiresGrad: false));
            long offset = 0;
            foreach (StateTensor moment in moments)
            {
                // The same tensor at two places would be flattened twice; the first one is as good as the second.
                places.TryAdd(moment, new TorchList(TorchListKind.Tuple, [index, offset, new TorchList(TorchListKind.List, moment.Shape.Select(size => (TorchValue)size))]));
                offset += FlattenedTensor.Elements(moment);
            }
        }
        return values;
    }

    // The tensors of a field, when all parameters have one of the weight's shape and of one type.
    private static List<StateTensor>? Moments(Group group, StateMap state, string field)
    {
        var moments = new List<StateTensor>(group.Parameters.Count);
        foreach ((string name, StateTensor weight) in group.Parameters)
        {
            if (!state.TryGetValue(name, out StateNode? node) || node is not StateMap fields || !fields.TryGetValue(field, out node)
                || node is not StateTensor moment || !moment.Shape.SequenceEqual(weight.Shape) || (moments.Count > 0 && moment.Type != moments[0].Type))
                return null;
            moments.Add(moment);
        }
        return moments;
    }

    // PyTorch counts steps for each parameter, and InternLM has only one for a group: the highest.
    private static double? Steps(Group group, StateMap state, string field)
    {
        double? highest = null;
        foreach ((string name, _) in group.Parameters)
        {
            if (!state.TryGetValue(name, out StateNode? node) || node is not StateMap fields || !fields.TryGetValue(field, out node)
                || ((node as StateScalar)?.Value switch { long whole => whole, double number => number, _ => (double?)null }) is not { } value)
                return null;
            highest = highest > value ? highest : value;
        }
        return highest;
    }

    private static TorchTensorValue Flat(IReadOnlyList<StateTensor> tensors, bool requiresGrad)
    {
        var flat = new FlattenedTensor(tensors);
        return new TorchTensorValue(flat, new TorchStorage(flat), 0, [1], requiresGrad: requiresGrad);
    }

    private static TorchMap GroupValues(Group group, TorchList indexes)
    {
        TorchMap values = new() { ["name"] = group.Name };
        if (group.Name.StartsWith(ParameterGroup.Experts, StringComparison.Ordinal))
            values["moe"] = true;
        foreach ((string name, StateNode node) in group.Options)
        {
            if (name == Params)
                continue;
            TorchValue value = TorchTree.FromState(node);
            values[name] = name == "betas" && value is TorchList betas ? new TorchList(TorchListKind.Tuple, betas) : value;
        }
        values["dtype"] = group.Parameters.Count > 0 && TorchDtypes.NameOf(group.Parameters[0].Weight.Type) is { } dtype ? new TorchGlobal("torch", dtype) : TorchScalar.None;
        values["params"] = indexes;
        return values;
    }

    private static double Number(TorchMap group, params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys)
        {
            if ((group.Find(key) as TorchScalar)?.Value is { } value and (double or long))
                return Convert.ToDouble(value, CultureInfo.InvariantCulture);
        }
        return 0;
    }

    // InternEvo's own names, or those of torch.amp.GradScaler. A run that does not scale has a scale of 1.
    private static TorchMap Scaler(StateMap? scaler) => new()
    {
        ["_scale"] = Scalar(scaler, "_scale", "scale") as double? ?? 1.0,
        ["_growth_step"] = Scalar(scaler, "_growth_step", "growth_tracker") as long? ?? 0L,
        ["_hysteresis_step"] = Scalar(scaler, "_hysteresis_step") as long? ?? 0L,
    };

    private static object? Scalar(StateMap? map, params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys)
        {
            if (map is not null && map.TryGetValue(key, out StateNode? node) && node is StateScalar { Value: { } value })
                return value;
        }
        return null;
    }

    private static TorchMap RemainderOf(StateMap optimizer, StateMap state, Dictionary<StateTensor, TorchValue> places)
    {
        TorchMap remainder = new();
        foreach ((string key, StateNode node) in optimizer)
        {
            if (key != State)
            {
                remainder.Add(key, TorchTree.FromState(node));
                continue;
            }
            TorchMap states = new();
            foreach ((string parameter, StateNode values) in state)
            {
                if (values is not StateMap fields)
                {
                    states.Add(parameter, TorchTree.FromState(values));
                    continue;
                }
                TorchMap rest = new();
                foreach ((string field, StateNode value) in fields)
                    rest.Add(field, value is StateTensor tensor && places.TryGetValue(tensor, out TorchValue? place) ? place : TorchTree.FromState(value));
                states.Add(parameter, rest);
            }
            remainder.Add(key, states);
        }
        return remainder;
    }

    private sealed record Group(string Name, StateMap Options, List<(string Name, StateTensor Weight)> Parameters);
}
