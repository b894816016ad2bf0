using System.Globalization;
using Cairn.Formats.Torch;
using Cairn.Layouts.PyTorch;
using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// The optimizer's state of all ranks, put together: InternEvo's flattened groups and their partitions, and the per-parameter pieces that FSDP leaves
/// (<c>HybridZeroOptimizer.state_dict</c>, <c>FSDPadaptOptimizer.state_dict</c>; groups as <c>internlm/train/utils.py</c> makes them).
/// </summary>
internal sealed class InternLmOptimizer
{
    private const string ExpertGroup = "moe_ep_size_", EmbedHead = "embed_head", Fp32 = "fp32", Weights = "", StepField = "step";

    // What torch.optim.AdamW knows of a group; the rest is InternLM's own.
    private static readonly string[] OptionKeys =
        ["lr", "initial_lr", "betas", "eps", "weight_decay", "amsgrad", "maximize", "foreach", "capturable", "differentiable", "fused", "decoupled_weight_decay"];

    private readonly InternLmFiles _files;
    private readonly InternLmFolder _folder;
    private readonly InternLmWeights _weights;
    private readonly Dictionary<string, (List<RankTensors> Ranks, List<RankTensors> Experts)> _fields = new(StringComparer.Ordinal);
    private readonly Dictionary<string, double> _steps = new(StringComparer.Ordinal);
    private readonly OrderedDictionary<string, (StateMap Options, HashSet<string> Names)> _groups = new(StringComparer.Ordinal);

    private InternLmOptimizer(InternLmFiles files, InternLmFolder folder, InternLmWeights weights) => (_files, _folder, _weights) = (files, folder, weights);

    /// <summary>The weights in the precision that is trained, by name.</summary>
    public OrderedDictionary<string, StateTensor> Master { get; } = new(StringComparer.Ordinal);

    /// <summary>The state by parameter name, as <see cref="TorchOptimizer"/> has it.</summary>
    public StateMap State { get; private set; } = [];

    /// <summary>Reads the pickles of all files; of tensors only counts of steps are read.</summary>
    /// <exception cref="CorruptCheckpointException">A file is bad, or the files contradict each other.</exception>
    public static InternLmOptimizer Load(InternLmFiles files, InternLmFolder folder, InternLmWeights weights)
    {
        var optimizer = new InternLmOptimizer(files, folder, weights);
        foreach (RankTensors rank in weights.Ranks)
        {
            KeyValuePair<string, StateTensor>[] own = [.. rank.Tensors.Where(tensor => !tensor.Key.EndsWith(".inv_freq", StringComparison.Ordinal))];
            optimizer.Add(rank.Rank, own, weights.Experts.FirstOrDefault(experts => experts.Rank.Tp == rank.Rank.Tp && experts.Rank.Pp == rank.Rank.Pp)?.Tensors);
        }
        optimizer.Finish();
        return optimizer;
    }

    private void Add(ModelRank rank, KeyValuePair<string, StateTensor>[] own, OrderedDictionary<string, StateTensor>? experts)
    {
        InternLmFileName first = OwnerFile(rank, "", 0, 1, 0, 1);
        TorchMap file = _files.OpenMap(first);
        TorchList groups = Groups(file, first);
        string[] names = [.. groups.Select(group => ((group as TorchMap)?.Find("name") as TorchScalar)?.Value as string ?? "")];
        for (int id = 0; id < groups.Count; id++)
        {
            if (names[id].StartsWith(ExpertGroup, StringComparison.Ordinal))
            {
                AddExperts(rank, id, names[id], experts);
                continue;
            }
            KeyValuePair<string, StateTensor>[] parameters = [.. own.Where(parameter => GroupOf(parameter, names) == id)];
            if (parameters.Length > 0)
                AddGroup(rank, id, names[id], parameters, isExpert: false, part: 0, parts: 1);
        }
    }

    // InternEvo's order of asking: embeddings and head with ISP, then fp32, then all the rest.
    private int GroupOf(KeyValuePair<string, StateTensor> parameter, string[] names)
    {
        string[] path = parameter.Key.Split('.');
        bool isEmbedHead = path is [.., "tok_embeddings" or "embedding" or "word_embeddings" or "output" or "head", _];
        int embedHead = Array.IndexOf(names, EmbedHead), fp32 = Array.IndexOf(names, Fp32);
        return _folder.IsIsp && isEmbedHead && embedHead >= 0 ? embedHead : parameter.Value.Type == TensorType.F32 && fp32 >= 0 ? fp32 : 0;
    }

    // Every expert-parallel rank has experts of its own, and shares their state with the data-parallel ranks that have the same.
    private void AddExperts(ModelRank rank, int id, string group, OrderedDictionary<string, StateTensor>? experts)
    {
        if (experts is null || experts.Count == 0)
            return;
        if (!int.TryParse(group.AsSpan(ExpertGroup.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int parts) || parts < 1)
            throw Bad($"the group '{group}' does not say over how many ranks its experts are spread");
        int count = 1 + experts.Keys.Max(name => InternLmWeights.ExpertOf(name) ?? 0), local = Math.Max(1, count / parts);
        // No rank has less than one expert, whatever the group's name says.
        for (int part = 0; part < Math.Min(parts, count); part++)
        {
            KeyValuePair<string, StateTensor>[] parameters = [.. experts.Where(expert => InternLmWeights.ExpertOf(expert.Key) / local == part)];
            if (parameters.Length > 0)
                AddGroup(rank, id, group, parameters, isExpert: true, part, parts);
        }
    }

    private void AddGroup(ModelRank rank, int id, string group, KeyValuePair<string, StateTensor>[] parameters, bool isExpert, int part, int parts)
    {
        InternLmFileName name = OwnerFile(rank, group, 0, int.MaxValue, part, parts);
        TorchMap file = _files.OpenMap(name);
        AddOptions(id, Groups(file, name)[id] as TorchMap, parameters.Select(parameter => parameter.Key), name);
        if (Entry(file, "flat_fp32_weights", id) is TorchList)
        {
            AddPieces(rank, id, parameters);
            return;
        }
        List<ZeroPlace> places = Places(rank, id, group, parameters, file, name, out int owners);
        foreach (IGrouping<int, ZeroPlace> owner in places.GroupBy(place => place.Owner))
        {
            name = OwnerFile(rank, group, owner.Key, owners, part, parts);
            file = _files.OpenMap(name);
            long length = owner.Sum(place => place.Count);
            if (Entry(file, "flat_fp32_weights", id) is not TorchTensorValue flat)
                throw Bad($"{name} has no weights of group {id}, and its plan says that it has");
            AddFlat(Weights, flat, rank, owner, length, isExpert, name);
            foreach ((TorchValue field, TorchValue value) in StateOf(file, id, 0, name) ?? new TorchMap())
            {
                string key = (field as TorchScalar)?.Value as string ?? "";
                if (key == StepField)
                    Count(value, owner.Select(place => place.Name), name);
                else if (value is TorchTensorValue moment)
                    AddFlat(key, moment, rank, owner, length, isExpert, name);
            }
        }
    }

    private void AddFlat(string field, TorchTensorValue flat, ModelRank rank, IEnumerable<ZeroPlace> places, long length, bool isExpert, InternLmFileName file)
    {
        if (flat.Data.Shape is not [var found] || found != length)
            throw Bad($"{file} has {flat.Data} for '{(field.Length == 0 ? "flat_fp32_weights" : field)}' where the weights and the plan say {length} elements");
        foreach (ZeroPlace place in places)
            Put(field, rank, isExpert, place.Name, flat.Data.Narrow(0, place.Offset, place.Count).Reshape([.. place.Shape]), file);
    }

    private List<ZeroPlace> Places(ModelRank rank, int id, string group, KeyValuePair<string, StateTensor>[] parameters, TorchMap file, InternLmFileName name, out int owners)
    {
        TorchValue? plan = (file.Find("zero_devide_optim_plan") as TorchList)?.ElementAtOrDefault(id);
        InternLmFileName? apart = _folder.Of(InternLmFileKind.Plan).FirstOrDefault(candidate => candidate.Tp == rank.Tp && candidate.Pp == rank.Pp && (candidate.Wp is null || candidate.Wp == rank.Wp));
        if (plan is null && apart is not null)
            plan = (_files.Open(apart).Root as TorchList)?.ElementAtOrDefault(id);
        owners = plan is TorchList ranks ? ranks.Count : _folder.IsIsp && group == EmbedHead ? _folder.Dp : _folder.Zo;
        return plan is null ? ZeroPlan.Make(Math.Max(1, owners), parameters)
            : ZeroPlan.Read(plan, parameters) ?? throw Bad($"the plan in {name} is not one for the {parameters.Length} parameters that group {id} ('{group}') has by the model's files");
    }

    // FSDP leaves each rank a range of each parameter's elements, in the order of the ranks; it may be empty.
    private void AddPieces(ModelRank rank, int id, KeyValuePair<string, StateTensor>[] parameters)
    {
        var pieces = new Dictionary<(string Field, int Parameter), List<StateTensor>>();
        for (int zo = 0; zo < _folder.Zo; zo++)
        {
            InternLmFileName name = InternLmFolder.OptimizerFile(rank, zo);
            TorchMap file = _files.OpenMap(name);
            if (Entry(file, "flat_fp32_weights", id) is not TorchList list || list.Count != parameters.Length)
                throw Bad($"{name} does not have the {parameters.Length} parameters that group {id} has by the model's files");
            for (int i = 0; i < parameters.Length; i++)
            {
                if (list[i] is TorchTensorValue weight)
                    Piece(Weights, i, weight);
                foreach ((TorchValue field, TorchValue value) in StateOf(file, id, i, name) ?? new TorchMap())
                {
                    string key = (field as TorchScalar)?.Value as string ?? "";
                    if (key == StepField)
                        Count(value, [parameters[i].Key], name);
                    else if (value is TorchTensorValue moment)
                        Piece(key, i, moment);
                }
            }
        }
        foreach (((string field, int i), List<StateTensor> list) in pieces)
        {
            StateTensor? joined = list.TrueForAll(piece => piece.Type == list[0].Type) ? TensorOperations.Concat(list, 0) : null;
            if (joined is null || joined.Shape[0] != FlattenedTensor.Elements(parameters[i].Value))
                throw Bad($"the ranks have {joined?.ToString() ?? "several types"} of '{parameters[i].Key}', which has {FlattenedTensor.Elements(parameters[i].Value)} elements");
            Put(field, rank, false, parameters[i].Key, joined.Reshape([.. parameters[i].Value.Shape]), InternLmFolder.OptimizerFile(rank, 0));
        }

        void Piece(string field, int parameter, TorchTensorValue tensor)
        {
            if (!pieces.TryGetValue((field, parameter), out List<StateTensor>? list))
                pieces.Add((field, parameter), list = []);
            list.Add(tensor.Data.Reshape([FlattenedTensor.Elements(tensor.Data)]));
        }
    }

    // Owners of a group are ranks of the parallel mode in which it is partitioned; the file's name has other coordinates.
    private InternLmFileName OwnerFile(ModelRank rank, string group, int owner, int owners, int part, int parts)
    {
        if (group.StartsWith(ExpertGroup, StringComparison.Ordinal))
            return InternLmFolder.OptimizerFile(rank, owner * parts + part);
        if (!_folder.IsIsp)
            return InternLmFolder.OptimizerFile(rank, owner);
        if (group == EmbedHead)
            return _folder.OptimizerFileOfIsp(owner * _folder.Tp + rank.Tp, rank.Pp);
        for (int candidate = 0; candidate < _folder.Tp * _folder.Dp; candidate++)
        {
            if (candidate % _folder.Wp == rank.Wp && candidate / _folder.Wp % owners == owner)
                return _folder.OptimizerFileOfIsp(candidate, rank.Pp);
        }
        throw Bad($"no rank can have part {owner} of {owners} of the optimizer's state of weight-parallel rank {rank.Wp}");
    }

    private TorchList Groups(TorchMap file, InternLmFileName name) =>
        (file.Find("base_optim_states") as TorchMap)?.Find("param_groups") as TorchList ?? throw Bad($"{name} has no 'param_groups' of the optimizer");

    private static TorchValue? Entry(TorchMap file, string key, int id) => (file.Find(key) as TorchMap)?.Find((long)id);

    private TorchMap? StateOf(TorchMap file, int id, int parameter, InternLmFileName name)
    {
        TorchValue? index = ((Groups(file, name)[id] as TorchMap)?.Find("params") as TorchList)?.ElementAtOrDefault(parameter);
        return index is null ? null : ((file.Find("base_optim_states") as TorchMap)?.Find("state") as TorchMap)?.Find(index) as TorchMap;
    }

    private void Count(TorchValue value, IEnumerable<string> names, InternLmFileName file)
    {
        if (TorchOptimizer.NumberIn(TorchTree.ToState(value)) is not { } step)
            throw Bad($"{file} counts steps by {value}");
        foreach (string name in names)
            _steps[name] = Math.Max(step, _steps.GetValueOrDefault(name));
    }

    private void Put(string field, ModelRank rank, bool isExpert, string name, StateTensor tensor, InternLmFileName file)
    {
        if (!_fields.TryGetValue(field, out (List<RankTensors> Ranks, List<RankTensors> Experts) ranks))
            _fields.Add(field, ranks = ([], []));
        List<RankTensors> list = isExpert ? ranks.Experts : ranks.Ranks;
        RankTensors? own = list.Find(candidate => candidate.Rank == rank);
        if (own is null)
            list.Add(own = new RankTensors(rank, new OrderedDictionary<string, StateTensor>(StringComparer.Ordinal)));
        if (!own.Tensors.TryAdd(name, tensor))
            throw Bad($"{file} has '{name}' twice");
    }

    private void AddOptions(int id, TorchMap? group, IEnumerable<string> names, InternLmFileName file)
    {
        StateMap options = [];
        foreach ((TorchValue key, TorchValue value) in group ?? throw Bad($"group {id} of {file} is no dict"))
        {
            if ((key as TorchScalar)?.Value is string name && OptionKeys.Contains(name, StringComparer.Ordinal))
                options.Add(name, TorchTree.ToState(value));
        }
        // Groups that InternLM made by precision have the same options, and are one again.
        string same = string.Join(';', options.Select(option => $"{option.Key}={Text(option.Value)}"));
        if (!_groups.TryGetValue(same, out (StateMap, HashSet<string> Names) known))
            _groups.Add(same, known = (options, new HashSet<string>(StringComparer.Ordinal)));
        known.Names.UnionWith(names);
    }

    private static string Text(StateNode node) => node switch
    {
        StateList list => string.Join(',', list.Select(Text)),
        StateScalar scalar => Convert.ToString(scalar.Value, CultureInfo.InvariantCulture) ?? "",
        _ => node.ToString() ?? "",
    };

    private void Finish()
    {
        if (!_fields.TryGetValue(Weights, out (List<RankTensors> Ranks, List<RankTensors> Experts) weights))
            throw Bad("the optimizer's files hold no weights");
        OrderedDictionary<string, StateTensor> merged = _weights.Merge(weights.Ranks, weights.Experts);
        // In the order of the modules: what was flattened lies in the order of size.
        foreach (string name in _weights.Merge().Keys)
        {
            if (merged.TryGetValue(name, out StateTensor? weight))
                Master.Add(name, weight);
        }
        Dictionary<string, OrderedDictionary<string, StateTensor>> moments = _fields.Where(field => field.Key != Weights)
            .ToDictionary(field => field.Key, field => _weights.Merge(field.Value.Ranks, field.Value.Experts), StringComparer.Ordinal);
        StateMap states = [];
        StateList paramGroups = [];
        var groups = new List<IReadOnlyList<TorchOptimizerParameter>>();
        foreach ((StateMap options, HashSet<string> names) in _groups.Values)
        {
            StateList indexes = [];
            var parameters = new List<TorchOptimizerParameter>();
            foreach ((string name, StateTensor weight) in Master.Where(weight => names.Contains(weight.Key)))
            {
                StateMap state = [];
                if (_steps.TryGetValue(name, out double step))
                    state.Add(StepField, step);
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
        State = TorchOptimizer.FromTorch(new StateMap { { "state", states }, { "param_groups", paramGroups } }, "AdamW", groups, problems)
            ?? throw Bad($"the optimizer's state is not that of AdamW: {string.Join("; ", [.. problems.Missing.Select(entry => $"{entry} is missing"), .. problems.Unexpected.Select(entry => $"{entry} is not known"), .. problems.Mismatched])}");
    }

    private CorruptCheckpointException Bad(string what) => RankTensors.Bad(_files.Folder, what);
}
