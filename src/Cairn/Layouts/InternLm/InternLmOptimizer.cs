using System.Globalization;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// The optimizer's state of all ranks, put together: InternEvo's flattened groups and their partitions, and the per-parameter pieces that FSDP and
/// <c>use_split_tensor_optim</c> leave (<c>internlm/solver/optimizer/</c>; groups as <c>internlm/train/utils.py</c> makes them).
/// </summary>
internal sealed class InternLmOptimizer
{
    private readonly InternLmFiles _files;
    private readonly InternLmFolder _folder;
    private readonly OptimizerFiles _optimizers;
    private readonly MergedOptimizer _merged;

    private InternLmOptimizer(InternLmFiles files, InternLmFolder folder, InternLmWeights weights) =>
        (_files, _folder, _optimizers, _merged) = (files, folder, new OptimizerFiles(files, folder), new MergedOptimizer(files.Folder, weights));

    /// <summary>The weights in the precision that is trained, by name.</summary>
    public OrderedDictionary<string, StateTensor> Master { get; private set; } = [];

    /// <summary>The same as each rank has them, those of experts apart.</summary>
    public (IReadOnlyList<RankTensors> Ranks, IReadOnlyList<RankTensors> Experts) MasterOfRanks => _merged.Ranks;

    /// <summary>The state by parameter name, as <see cref="PyTorch.TorchOptimizer"/> has it.</summary>
    public StateMap State { get; private set; } = [];

    /// <summary>Reads the pickles of all files; of tensors only counts of steps are read.</summary>
    /// <exception cref="CorruptCheckpointException">A file is bad, or the files contradict each other.</exception>
    public static InternLmOptimizer Load(InternLmFiles files, InternLmFolder folder, InternLmWeights weights)
    {
        if (folder.HasShardedOptimizer)
            throw RankTensors.Bad(files.Folder, $"{folder.Of(InternLmFileKind.Optimizer)[0]} is of InternEvo's newer FSDP, whose flattened shards do not say which parameters they have");
        var optimizer = new InternLmOptimizer(files, folder, weights);
        foreach (RankTensors rank in weights.Ranks)
            optimizer.AddRank(rank.Rank, [.. rank.Tensors.Where(tensor => !tensor.Key.EndsWith(".inv_freq", StringComparison.Ordinal))]);
        foreach (RankTensors rank in weights.Experts)
            optimizer.AddExperts(rank.Rank, rank.Tensors);
        (optimizer.Master, optimizer.State) = optimizer._merged.Merge();
        return optimizer;
    }

    private void AddRank(ModelRank rank, KeyValuePair<string, StateTensor>[] own)
    {
        OptimizerFile file = _optimizers.OfOwner(rank, new ParameterGroup(0, "", 0, 0), 0, int.MaxValue);
        string[] names = file.GroupNames;
        for (int id = 0; id < names.Length; id++)
        {
            KeyValuePair<string, StateTensor>[] parameters = [.. own.Where(parameter => GroupOf(parameter, names, file) == id)];
            if (parameters.Length > 0)
                AddGroup(rank, new ParameterGroup(id, names[id], 0, 0), parameters);
        }
    }

    // InternEvo's order of asking: embeddings and head with ISP, then fp32, then all the rest. Since 2024-05 a model of fp32 has no group for that.
    private int GroupOf(KeyValuePair<string, StateTensor> parameter, string[] names, OptimizerFile file)
    {
        string[] path = parameter.Key.Split('.');
        bool isEmbedHead = path is [.., "tok_embeddings" or "embedding" or "word_embeddings" or "output" or "head", _];
        int embedHead = Array.IndexOf(names, ParameterGroup.EmbedHead), fp32 = Array.IndexOf(names, ParameterGroup.Fp32);
        return _folder.IsIsp && isEmbedHead && embedHead >= 0 ? embedHead
            : parameter.Value.Type == TensorType.F32 && fp32 >= 0 && !file.IsEmpty(fp32) ? fp32 : 0;
    }

    // Every expert-parallel rank has experts of its own, and shares their state with the data-parallel ranks that have the same.
    private void AddExperts(ModelRank rank, OrderedDictionary<string, StateTensor> experts)
    {
        int count = 1 + experts.Keys.Max(name => InternLmWeights.ExpertOf(name) ?? 0);
        string[] names = _optimizers.OfOwner(rank, new ParameterGroup(0, "", 0, 1), 0, int.MaxValue).GroupNames;
        for (int id = 0; id < names.Length; id++)
        {
            if (!names[id].StartsWith(ParameterGroup.Experts, StringComparison.Ordinal))
                continue;
            if (!int.TryParse(names[id].AsSpan(ParameterGroup.Experts.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int parts) || parts < 1)
                throw Bad($"the group '{names[id]}' does not say over how many ranks its experts are spread");
            // No rank has less than one expert, whatever the group's name says.
            int local = Math.Max(1, count / parts);
            for (int part = 0; part < Math.Min(parts, count); part++)
            {
                KeyValuePair<string, StateTensor>[] parameters = [.. experts.Where(expert => InternLmWeights.ExpertOf(expert.Key) / local == part)];
                if (parameters.Length > 0)
                    AddGroup(rank, new ParameterGroup(id, names[id], part, parts), parameters);
            }
        }
    }

    private void AddGroup(ModelRank rank, ParameterGroup group, KeyValuePair<string, StateTensor>[] parameters)
    {
        OptimizerFile first = _optimizers.OfOwner(rank, group, 0, int.MaxValue);
        _merged.AddOptions(first.Group(group.Id), parameters.Select(parameter => parameter.Key));
        if (first.Weights(group.Id) is TorchList)
        {
            AddPieces(rank, group, parameters, first);
            return;
        }
        List<ZeroPlace> places = Places(rank, group, parameters, first, out int owners);
        foreach (IGrouping<int, ZeroPlace> owner in places.GroupBy(place => place.Owner))
        {
            OptimizerFile file = _optimizers.OfOwner(rank, group, owner.Key, owners);
            long length = owner.Sum(place => place.Count);
            if (file.Weights(group.Id) is not TorchTensorValue flat)
                throw Bad($"{file.Name} has no weights of group {group.Id}, and its plan says that it has");
            AddFlat(MergedOptimizer.Weights, flat, rank, owner, length, group, file);
            foreach ((string field, TorchValue value) in file.State(group.Id, 0))
            {
                if (field == OptimizerFile.StepField)
                    _merged.Count(value, owner.Select(place => place.Name), file);
                else if (value is TorchTensorValue moment)
                    AddFlat(field, moment, rank, owner, length, group, file);
            }
        }
    }

    private void AddFlat(string field, TorchTensorValue flat, ModelRank rank, IEnumerable<ZeroPlace> places, long length, ParameterGroup group, OptimizerFile file)
    {
        if (flat.Data.Shape is not [var found] || found != length)
            throw Bad($"{file.Name} has {flat.Data} for '{(field.Length == 0 ? "flat_fp32_weights" : field)}' where the weights and the plan say {length} elements");
        foreach (ZeroPlace place in places)
            _merged.Put(field, rank, group.IsExpert, place.Name, flat.Data.Narrow(0, place.Offset, place.Count).Reshape([.. place.Shape]), file);
    }

    private List<ZeroPlace> Places(ModelRank rank, ParameterGroup group, KeyValuePair<string, StateTensor>[] parameters, OptimizerFile file, out int owners)
    {
        TorchValue? plan = file.Plan(group.Id);
        if (plan is null && _folder.PlanOf(rank) is { } apart)
            plan = (_files.Open(apart).Root as TorchList)?.ElementAtOrDefault(group.Id);
        owners = plan is TorchList ranks ? ranks.Count : _folder.IsIsp && group.Name == ParameterGroup.EmbedHead ? _folder.Dp : _folder.Zo;
        return plan is null ? ZeroPlan.Make(Math.Max(1, owners), parameters)
            : ZeroPlan.Read(plan, parameters)
            ?? throw Bad($"the plan in {file.Name} is not one for the {parameters.Length} parameters that group {group.Id} ('{group.Name}') has by the model's files");
    }

    // FSDP leaves each rank a range of each parameter's elements, in the order of the ranks; it may be empty. Split tensors are equal ranges, and filled up.
    private void AddPieces(ModelRank rank, ParameterGroup group, KeyValuePair<string, StateTensor>[] parameters, OptimizerFile first)
    {
        var pieces = new Dictionary<(string Field, int Parameter), List<StateTensor>>();
        int owners = first.IsSplit ? Splits(group, parameters, first) : _folder.Zo;
        for (int owner = 0; owner < owners; owner++)
        {
            OptimizerFile file = _optimizers.OfOwner(rank, group, owner, owners);
            if (file.Weights(group.Id) is not TorchList list || list.Count != parameters.Length)
                throw Bad($"{file.Name} does not have the {parameters.Length} parameters that group {group.Id} has by the model's files");
            for (int i = 0; i < parameters.Length; i++)
            {
                if (list[i] is TorchTensorValue weight)
                    Piece(MergedOptimizer.Weights, i, weight);
                foreach ((string field, TorchValue value) in file.State(group.Id, i))
                {
                    if (field == OptimizerFile.StepField)
                        _merged.Count(value, [parameters[i].Key], file);
                    else if (value is TorchTensorValue moment)
                        Piece(field, i, moment);
                }
            }
        }
        foreach (((string field, int i), List<StateTensor> list) in pieces)
        {
            long elements = FlattenedTensor.Elements(parameters[i].Value);
            StateTensor? joined = list.TrueForAll(piece => piece.Type == list[0].Type) ? TensorOperations.Concat(list, 0) : null;
            if (joined is null || joined.Shape[0] < elements || joined.Shape[0] >= elements + (first.IsSplit ? owners : 1))
                throw Bad($"the ranks have {joined?.ToString() ?? "several types"} of '{parameters[i].Key}', which has {elements} elements");
            _merged.Put(field, rank, group.IsExpert, parameters[i].Key, joined.Narrow(0, 0, elements).Reshape([.. parameters[i].Value.Shape]), first);
        }

        void Piece(string field, int parameter, TorchTensorValue tensor)
        {
            if (!pieces.TryGetValue((field, parameter), out List<StateTensor>? list))
                pieces.Add((field, parameter), list = []);
            list.Add(tensor.Data.Reshape([FlattenedTensor.Elements(tensor.Data)]));
        }
    }

    // Nothing but the lengths says over how many ranks experts were split; of the largest parameter they say it best.
    private int Splits(ParameterGroup group, KeyValuePair<string, StateTensor>[] parameters, OptimizerFile first)
    {
        if (!group.IsExpert)
            return _folder.Zo;
        int largest = Array.IndexOf(parameters, parameters.MaxBy(parameter => FlattenedTensor.Elements(parameter.Value)));
        long length = first.Weights(group.Id) is TorchList list && list.ElementAtOrDefault(largest) is TorchTensorValue piece ? FlattenedTensor.Elements(piece.Data) : 0;
        long elements = FlattenedTensor.Elements(parameters[largest].Value);
        return length <= 0 || length > elements ? 1 : (int)Math.Min((elements + length - 1) / length, 1 << 20);
    }

    private CorruptCheckpointException Bad(string what) => RankTensors.Bad(_files.Folder, what);
}
