using Cairn.Formats.Torch;
using Cairn.Layouts.PyTorch;

namespace Cairn.Layouts.InternLm;

/// <summary>One rank's file of an optimizer's state: <c>HybridZeroOptimizer</c>, <c>HybridZeroOptimizer_v2</c> (<c>use_split_tensor_optim</c>) or <c>FSDPadaptOptimizer</c>.</summary>
internal sealed class OptimizerFile
{
    public const string StepField = "step";
    private const string FlatWeights = "flat_fp32_weights", SplitWeights = "master_current_weights", BaseStates = "base_optim_states";

    private readonly string _folder;
    private readonly TorchMap _map;

    public OptimizerFile(InternLmFileName name, TorchMap map, string folder)
    {
        (Name, _map, _folder) = (name, map, folder);
        Groups = (map.Find(BaseStates) as TorchMap)?.Find("param_groups") as TorchList ?? throw RankTensors.Bad(folder, $"{name} has no 'param_groups' of the optimizer");
    }

    /// <summary>Its name.</summary>
    public InternLmFileName Name { get; }
    /// <summary>The optimizer's groups, each a dict.</summary>
    public TorchList Groups { get; }
    /// <summary>Whether each rank has an equal part of each parameter, filled up at its end, and not whole parameters.</summary>
    public bool IsSplit => _map.Find(FlatWeights) is null && _map.Find(SplitWeights) is not null;

    /// <summary>The names of the groups.</summary>
    public string[] GroupNames => [.. Groups.Select(group => ((group as TorchMap)?.Find("name") as TorchScalar)?.Value as string ?? "")];

    /// <summary>A group's values.</summary>
    public TorchMap Group(int id) => Groups.ElementAtOrDefault(id) as TorchMap ?? throw RankTensors.Bad(_folder, $"group {id} of {Name} is no dict");

    /// <summary>Whether no rank has a parameter of a group. The parameters of a group that only this rank has none of stand in it all the same.</summary>
    public bool IsEmpty(int id) => Group(id).Find("params") is TorchList { Count: 0 } && Weights(id) is null or TorchList { Count: 0 };

    /// <summary>A group's weights: one flattened tensor, or a list of parts; <see langword="null"/> when this rank has none.</summary>
    public TorchValue? Weights(int id) => ((_map.Find(FlatWeights) ?? _map.Find(SplitWeights)) as TorchMap)?.Find((long)id);

    /// <summary>How a group was given to ranks, when it stands in this file.</summary>
    public TorchValue? Plan(int id) => (_map.Find("zero_devide_optim_plan") as TorchList)?.ElementAtOrDefault(id);

    /// <summary>The fields of a group's parameter: moments, and the count of steps, which fused optimizers keep with the group.</summary>
    public IEnumerable<(string Field, TorchValue Value)> State(int id, int parameter)
    {
        TorchValue? index = (Group(id).Find("params") as TorchList)?.ElementAtOrDefault(parameter);
        TorchMap? state = index is null ? null : States?.Find(index) as TorchMap;
        if (state is null)
            yield break;
        foreach ((TorchValue field, TorchValue value) in state)
            yield return ((field as TorchScalar)?.Value as string ?? "", value);
        if (state.Find(StepField) is null && Group(id).Find(StepField) is { } step)
            yield return (StepField, step);
    }

    /// <summary>The counts of steps in the file.</summary>
    /// <exception cref="CorruptCheckpointException">One of them is no number.</exception>
    public IEnumerable<double> Steps()
    {
        IEnumerable<TorchValue?> counts = [.. (States ?? new TorchMap()).Select(state => (state.Value as TorchMap)?.Find(StepField)), .. Groups.Select(group => (group as TorchMap)?.Find(StepField))];
        return counts.OfType<TorchValue>().Select(StepOf);
    }

    /// <summary>A count of steps: a number, or a tensor with one.</summary>
    /// <exception cref="CorruptCheckpointException">It is none.</exception>
    public double StepOf(TorchValue value) => TorchOptimizer.NumberIn(TorchTree.ToState(value)) ?? throw RankTensors.Bad(_folder, $"{Name} counts steps by {value}");

    private TorchMap? States => (_map.Find(BaseStates) as TorchMap)?.Find("state") as TorchMap;
}
