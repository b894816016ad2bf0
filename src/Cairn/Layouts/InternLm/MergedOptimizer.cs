using System.Globalization;
using Cairn.Formats.Torch;
using Cairn.Layouts.PyTorch;
using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>What the ranks' files give of an optimizer's state, collected by parameter and then put together.</summary>
/// <param name="folder">The folder, for errors.</param>
/// <param name="weights">The model's weights.</param>
internal sealed class MergedOptimizer(string folder, InternLmWeights weights)
{
    /// <summary>The field of the weights in the precision that is trained.</summary>
    public const string Weights = "";

    // What torch.optim.AdamW knows of a group; the rest is InternLM's own.
    private static readonly string[] OptionKeys =
        ["lr", "initial_lr", "betas", "eps", "weight_decay", "amsgrad", "maximize", "foreach", "capturable", "differentiable", "fused", "decoupled_weight_decay"];

    private readonly Dictionary<string, (List<RankTensors> Ranks, List<RankTensors> Experts)> _fields = new(StringComparer.Ordinal);
    private readonly Dictionary<string, double> _steps = new(StringComparer.Ordinal);
    private readonly OrderedDictionary<string, (StateMap Options, HashSet<string> Names)> _groups = new(StringComparer.Ordinal);

    /// <summary>The trained weights of each rank, those of experts apart.</summary>
    public (IReadOnlyList<RankTensors> Ranks, IReadOnlyList<RankTensors> Experts) Ranks =>
        _fields.TryGetValue(Weights, out (List<RankTensors> Ranks, List<RankTensors> Experts) found) ? found : throw RankTensors.Bad(folder, "the optimizer's files hold no weights");

    /// <summary>Takes a tensor of a rank's parameter.</summary>
    public void Put(string field, ModelRank rank, bool isExpert, string name, StateTensor tensor, OptimizerFile file)
    {
        if (!_fields.TryGetValue(field, out (List<RankTensors> Ranks, List<RankTensors> Experts) ranks))
            _fields.Add(field, ranks = ([], []));
        List<RankTensors> list = isExpert ? ranks.Experts : ranks.Ranks;
        RankTensors? own = list.Find(candidate => candidate.Rank == rank);
        if (own is null)
            list.Add(own = new RankTensors(rank, new OrderedDictionary<string, StateTensor>(StringComparer.Ordinal)));
        if (!own.Tensors.TryAdd(name, tensor))
            throw RankTensors.Bad(folder, $"{file.Name} has '{name}' twice");
    }

    /// <summary>Takes the count of steps of some parameters.</summary>
    public void Count(TorchValue value, IEnumerable<string> names, OptimizerFile file)
    {
        double step = file.StepOf(value);
        foreach (string name in names.SelectMany(FusedParameters.NamesOf))
            _steps[name] = Math.Max(step, _steps.GetValueOrDefault(name));
    }

    /// <summary>Takes the options of some parameters.</summary>
    public void AddOptions(TorchMap group, IEnumerable<string> names)
    {
        StateMap options = [];
        foreach ((TorchValue key, TorchValue value) in group)
        {
            if ((key as TorchScalar)?.Value is string name && OptionKeys.Contains(name, StringComparer.Ordinal))
                options.Add(name, TorchTree.ToState(value));
        }
        // Groups that InternLM made by precision have the same options, and are one again.
        string same = string.Join(';', options.Select(option => $"{option.Key}={Text(option.Value)}"));
        if (!_groups.TryGetValue(same, out (StateMap, HashSet<string> Names) known))
            _groups.Add(same, known = (options, new HashSet<string>(StringComparer.Ordinal)));
        known.Names.UnionWith(names.SelectMany(FusedParameters.NamesOf));
    }

    /// <summary>The weights in the precision that is trained, by name in the order of the modules, and the state by name as <see cref="TorchOptimizer"/> has it.</summary>
    /// <exception cref="CorruptCheckpointException">The ranks contradict each other.</exception>
    public (OrderedDictionary<string, StateTensor> Master, StateMap State) Merge()
    {
        OrderedDictionary<string, StateTensor> merged = weights.Merge(Ranks.Ranks, Ranks.Experts), master = new(StringComparer.Ordinal);
        // In the order of the modules: what was flattened lies in the order of size.
        foreach (string name in weights.Merge().Keys)
        {
            if (merged.TryGetValue(name, out StateTensor? weight))
                master.Add(name, weight);
        }
        return (master, StateOf(master));
    }

    private StateMap StateOf(OrderedDictionary<string, StateTensor> master)
    {
        Dictionary<string, OrderedDictionary<string, StateTensor>> moments = _fields.Where(field => field.Key != Weights)
            .ToDictionary(field => field.Key, field => weights.Merge(field.Value.Ranks, field.Value.Experts), StringComparer.Ordinal);
        StateMap states = [];
        StateList paramGroups = [];
        var groups = new List<IReadOnlyList<TorchOptimizerParameter>>();
        foreach ((StateMap options, HashSet<string> names) in _groups.Values)
        {
            StateList indexes = [];
            var parameters = new List<TorchOptimizerParameter>();
            foreach ((string name, StateTensor weight) in master.Where(weight => names.Contains(weight.Key)))
            {
                StateMap state = [];
                if (_steps.TryGetValue(name, out double step))
                    state.Add(OptimizerFile.StepField, step);
                foreach ((string field, OrderedDictionary<string, StateTensor> tensors) in moments)
                {
                    if (tensors.TryGetValue(name, out StateTensor? moment))
                        state.Add(field, moment);
                }
                long index = states.Count;
                states.Add(index.ToString(CultureInfo.InvariantCulture), state);
                indexes.Add(index);
                parameters.Add(new TorchOptimizerParameter(name, weight.Type, weight.Shape));
            }
            options["params"] = indexes;
            paramGroups.Add(options);
            groups.Add(parameters);
        }
        var problems = new RestoreProblems();
        // InternLM trains with nothing else.
        return TorchOptimizer.FromTorch(new StateMap { { "state", states }, { "param_groups", paramGroups } }, "AdamW", groups, problems)
            ?? throw RankTensors.Bad(folder, $"the optimizer's state is not that of AdamW: {string.Join("; ", [.. problems.Missing.Select(entry => $"{entry} is missing"), .. problems.Unexpected.Select(entry => $"{entry} is not known"), .. problems.Mismatched])}");
    }

    private static string Text(StateNode node) => node switch
    {
        StateList list => string.Join(',', list.Select(Text)),
        StateScalar scalar => Convert.ToString(scalar.Value, CultureInfo.InvariantCulture) ?? "",
        _ => node.ToString() ?? "",
    };
}
