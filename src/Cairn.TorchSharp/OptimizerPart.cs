using System.Reflection;
using Cairn.Layouts.PyTorch;
using Cairn.State;
using TorchSharp;
using TorchSharp.Modules;

namespace Cairn.TorchSharp;

/// <summary>
/// State and options of an optimizer, by parameter name:
/// <code>type: "AdamW", state: { "weight": { step, exp_avg, exp_avg_sq } }, groups: [ { lr, initial_lr, betas, …, params: ["weight"] } ]</code>
/// Field names are TorchSharp's, which are PyTorch's; <c>beta1</c> and <c>beta2</c> become the list <c>betas</c>. What an
/// optimizer has not created yet (SGD's momentum before the first step) is absent, and is created or removed by a restore.
/// Options are taken over from the saved state, as in PyTorch, unless the program's are asked for (<see cref="CheckpointOptions.ResumeSettings"/>): then a
/// learning rate that a scheduler has moved is scaled by the program's initial rate over the saved one, as InternLM does. Type, names, dtypes and shapes are checked before writing.
/// It also takes what PyTorch's <c>optimizer.state_dict()</c> gave, where parameters go by position; see <see cref="TorchOptimizer"/>.
/// </summary>
public sealed class OptimizerPart : ISettingsPart, IProgressMark
{
    private readonly OptimizerHelper _optimizer;
    private readonly IReadOnlyList<(string Name, torch.nn.Module Model)> _models;
    private readonly IReadOnlyDictionary<string, ParameterShard>? _shards;
    private readonly IReadOnlyList<string>? _parameters;
    private UpdateMark? _mark;

    /// <summary>A part for this optimizer.</summary>
    /// <param name="optimizer">Any optimizer of TorchSharp but LBFGS.</param>
    /// <param name="module">The module whose parameters it optimizes; it gives the names.</param>
    /// <param name="name">The part's name.</param>
    /// <exception cref="CheckpointException">LBFGS, whose state TorchSharp does not give out.</exception>
    public OptimizerPart(torch.optim.Optimizer optimizer, torch.nn.Module module, string name = "optimizer")
        : this(optimizer, [("", module ?? throw new ArgumentNullException(nameof(module)))], name)
    {
    }

    /// <summary>A part for an optimizer over several modules.</summary>
    /// <param name="optimizer">Any optimizer of TorchSharp but LBFGS.</param>
    /// <param name="models">The modules that together have all its parameters; a parameter's name is that of its module, a point, and its own.</param>
    /// <param name="name">The part's name.</param>
    /// <exception cref="CheckpointException">LBFGS, whose state TorchSharp does not give out.</exception>
    public OptimizerPart(torch.optim.Optimizer optimizer, IReadOnlyList<(string Name, torch.nn.Module Model)> models, string name = "optimizer")
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        _optimizer = optimizer as OptimizerHelper ?? throw new CheckpointException(
            $"The state of {optimizer.GetType().Name} cannot be saved: it lives in native code, and TorchSharp has no access to it. Use another optimizer (all but LBFGS work), or leave its state out and accept that a resumed run is not exact.");
        _models = models ?? throw new ArgumentNullException(nameof(models));
        Name = name;
    }

    /// <summary>A part for this rank's optimizer in a job of many ranks. The saved state is that of one optimizer over all whole parameters.</summary>
    /// <param name="optimizer">Any optimizer of TorchSharp but LBFGS, with one group.</param>
    /// <param name="module">The module whose parameters it optimizes; it gives their names here.</param>
    /// <param name="shards">By that name what a parameter is of a whole one. A parameter that is not among them is whole.</param>
    /// <param name="parameters">The names of all parameters of all ranks, in one order on all of them.</param>
    /// <param name="name">The part's name.</param>
    /// <exception cref="CheckpointException">LBFGS, or an optimizer with several groups.</exception>
    public OptimizerPart(torch.optim.Optimizer optimizer, torch.nn.Module module, IReadOnlyDictionary<string, ParameterShard> shards, IReadOnlyList<string> parameters, string name = "optimizer")
        : this(optimizer, module, name)
    {
        (_shards, _parameters) = (shards ?? throw new ArgumentNullException(nameof(shards)), parameters ?? throw new ArgumentNullException(nameof(parameters)));
        if (_optimizer.ParamGroups.Count() != 1)
            throw new CheckpointException($"An optimizer that ranks share has one group, and this {TypeName} has {_optimizer.ParamGroups.Count()}. Use an optimizer, and a part, for each group.");
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public ulong ProgressMark => (_mark ??= new UpdateMark(_optimizer)).Read();

    /// <inheritdoc/>
    public bool MarksUpdates => true;

    /// <inheritdoc/>
    public StateMap Capture()
    {
        StateMap states = [];
        StateList groups = [];
        _mark?.Refresh();
        foreach (Group group in Groups())
        {
            groups.Add(OptimizerGroupState.Capture(group.Options, group.Parameters));
            foreach (Slot slot in group.Slots)
                states.Add(slot.Name, CaptureSlot(slot));
        }
        return new StateMap { { "type", TypeName }, { "state", states }, { "groups", groups } };
    }

    /// <inheritdoc/>
    public void Check(StateMap saved, RestoreProblems problems)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(problems);
        if (ByName(saved, problems) is not StateMap named)
            return;
        saved = named;
        if (!saved.CheckScalar<string>("type", "type", problems, type => type == TypeName, TypeName))
            return;
        if (!saved.TryGetValue("state", out StateNode? node) || node is not StateMap states)
        {
            problems.AddMissing("state");
            return;
        }
        if (!saved.TryGetValue("groups", out node) || node is not StateList groups)
        {
            problems.AddMissing("groups");
            return;
        }
        List<Group> live = Groups();
        if (live.Count != groups.Count)
        {
            problems.AddMismatched("groups", $"{live.Count} groups", $"{groups.Count} groups");
            return;
        }
        HashSet<string> names = new(StringComparer.Ordinal);
        for (int i = 0; i < live.Count; i++)
        {
            if (groups[i] is not StateMap group)
            {
                problems.AddMismatched($"groups.{i}", "a map", SavedState.Describe(groups[i]));
                continue;
            }
            OptimizerGroupState.Check(live[i].Options, live[i].Parameters, group, $"groups.{i}.", problems);
            bool amsgrad = group.TryGetValue("amsgrad", out StateNode? flag) && flag is StateScalar { Value: true };
            foreach (Slot slot in live[i].Slots)
            {
                names.Add(slot.Name);
                if (!states.TryGetValue(slot.Name, out node) || node is not StateMap state)
                    problems.AddMissing($"state.{slot.Name}");
                else
                    CheckSlot(slot, state, amsgrad, problems);
            }
        }
        states.CheckUnexpected(names.Contains, "state.", problems);
    }

    /// <inheritdoc/>
    /// <exception cref="StateMismatchException">The state does not fit; nothing was changed.</exception>
    public void Restore(StateMap saved)
    {
        SavedState.RequireFit(this, saved);
        saved = ByName(saved, new RestoreProblems())!;
        StateMap states = (StateMap)saved["state"];
        StateList groups = (StateList)saved["groups"];
        int index = 0;
        foreach (Group group in Groups())
        {
            OptimizerGroupState.Restore(group.Options, (StateMap)groups[index++]);
            foreach (Slot slot in group.Slots)
                RestoreSlot(slot, (StateMap)states[slot.Name]);
        }
    }

    /// <inheritdoc/>
    public StateMap WithProgramSettings(StateMap saved, ICollection<SettingDifference> differences)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(differences);
        StateMap result = [];
        foreach ((string name, StateNode node) in ByName(saved, new RestoreProblems())!)
            result.Add(name, name == "groups" ? new StateList(Groups().Zip((StateList)node).Select((pair, i) => OptimizerGroupState.WithProgramSettings(Name, $"groups.{i}.", (StateMap)pair.Second, OptimizerGroupState.Capture(pair.First.Options, pair.First.Parameters), differences))) : node);
        return result;
    }

    // PyTorch's form by name; any other state is given back.
    private StateMap? ByName(StateMap saved, RestoreProblems problems) => !TorchOptimizer.IsStateDict(saved) ? saved
        : TorchOptimizer.FromTorch(saved, TypeName, [.. Groups().Select(group => group.Slots.ConvertAll(slot =>
            new TorchOptimizerParameter(slot.Name, slot.Parameter.dtype.ToTensorType(), slot.Parameter.shape)))], problems);

    private string TypeName => _optimizer.GetType().Name;

    private List<Group> Groups()
    {
        Dictionary<nint, string> names = [];
        foreach ((string of, torch.nn.Module model) in _models)
        {
            foreach ((string name, Parameter parameter) in ModuleTensors.Parameters(model))
                names.TryAdd(parameter.Handle, of.Length == 0 ? name : $"{of}.{name}");
        }
        torch.optim.Optimizer.StateDictionary all = _optimizer.state_dict();
        List<Group> groups = [];
        int position = 0;
        foreach (ParamGroup group in _optimizer.ParamGroups.Cast<ParamGroup>())
        {
            List<Slot> slots = [];
            foreach (Parameter parameter in group.Parameters)
            {
                if (!names.TryGetValue(parameter.Handle, out string? name))
                    throw new CheckpointException($"Parameter {position} of {TypeName}, {TorchTensor.Describe(parameter.dtype.ToTensorType(), parameter.shape)}, is not one of the module. Pass the module whose parameters the optimizer got, and create the optimizer after moving the module to its device.");
                ParameterShard? shard = _shards?.GetValueOrDefault(name);
                slots.Add(new Slot(shard?.Name ?? name, parameter, all.State[position++], shard?.Extent));
            }
            groups.Add(new Group(group.Options, slots, _parameters ?? slots.ConvertAll(slot => slot.Name)));
        }
        return groups;
    }

    private static StateMap CaptureSlot(Slot slot)
    {
        StateMap map = [];
        foreach (FieldInfo field in OptimizerFields.OfState(slot.State))
        {
            switch (field.GetValue(slot.State))
            {
                case long value: map.Add(field.Name, value); break;
                case double value: map.Add(field.Name, value); break;
                case torch.Tensor value: map.Add(field.Name, Tensor(value, slot)); break;
            }
        }
        return map;
    }

    // What lies as the parameter does is cut as it is.
    private static StateTensor Tensor(torch.Tensor value, Slot slot)
    {
        var tensor = new TorchTensor(value) { ChangesOnlyInUpdate = true };
        return slot.Extent is { IsWhole: false } extent && tensor.Shape.SequenceEqual(extent.LocalShape) ? new ShardTensor(tensor, extent) : tensor;
    }

    private static void CheckSlot(Slot slot, StateMap saved, bool amsgrad, RestoreProblems problems)
    {
        FieldInfo[] fields = OptimizerFields.OfState(slot.State);
        foreach (FieldInfo field in fields)
        {
            string entry = $"state.{slot.Name}.{field.Name}";
            if (field.FieldType == typeof(long))
                saved.CheckScalar<long>(field.Name, entry, problems);
            else if (field.FieldType == typeof(double))
                saved.CheckScalar<double>(field.Name, entry, problems);
            else if (saved.ContainsKey(field.Name) || !OptimizerFields.MayBeAbsent(slot.State, field) || (amsgrad && field.Name == "max_exp_avg_sq"))
            {
                torch.Tensor like = field.GetValue(slot.State) as torch.Tensor ?? slot.Parameter;
                saved.CheckTensor(field.Name, entry, like.dtype, like.shape, problems);
            }
        }
        saved.CheckUnexpected(name => fields.Any(field => field.Name == name), $"state.{slot.Name}.", problems);
    }

    private static void RestoreSlot(Slot slot, StateMap saved)
    {
        foreach (FieldInfo field in OptimizerFields.OfState(slot.State))
        {
            if (field.FieldType == typeof(long))
                field.SetValue(slot.State, saved.Read<long>(field.Name));
            else if (field.FieldType == typeof(double))
                field.SetValue(slot.State, saved.Read<double>(field.Name));
            else
                RestoreTensor(slot, field, saved);
        }
    }

    private static void RestoreTensor(Slot slot, FieldInfo field, StateMap saved)
    {
        torch.Tensor? live = (torch.Tensor?)field.GetValue(slot.State);
        if (!saved.TryGetValue(field.Name, out StateNode? node))
        {
            live?.Dispose();
            field.SetValue(slot.State, null);
            return;
        }
        if (live is null)
        {
            using IDisposable quiet = torch.no_grad();
            live = torch.empty_like(slot.Parameter).DetachFromDisposeScope();
            field.SetValue(slot.State, live);
        }
        TorchTensor.Fill(live, (StateTensor)node);
    }

    private sealed record Slot(string Name, Parameter Parameter, OptimizerState State, ShardExtent? Extent);

    private sealed record Group(OptimizerOptions Options, List<Slot> Slots, IReadOnlyList<string> Parameters);
}
