using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>The weights of all ranks by their names in the whole model, and the rules by which ranks' tensors are put together.</summary>
internal sealed class InternLmWeights
{
    /// <summary>What stands before the number of an expert in the names of its weights.</summary>
    public const string ExpertPath = ".wrapped_experts.";

    private InternLmWeights(string folder, IReadOnlyList<RankTensors> ranks, IReadOnlyList<RankTensors> experts, ShardRules rules, int layers) =>
        (Folder, Ranks, Experts, Rules, Layers) = (folder, ranks, experts, rules, layers);

    /// <summary>The folder, for errors.</summary>
    public string Folder { get; }
    /// <summary>Layers of the whole model, as far as names say them.</summary>
    public int Layers { get; }
    /// <summary>What each rank's own file holds, as it was trained: all weights but those of experts.</summary>
    public IReadOnlyList<RankTensors> Ranks { get; }
    /// <summary>The weights of experts, by tensor-parallel rank and pipeline stage; experts are counted over all ranks.</summary>
    public IReadOnlyList<RankTensors> Experts { get; }
    /// <summary>How ranks cut tensors.</summary>
    public ShardRules Rules { get; }

    /// <summary>The number of experts of a layer.</summary>
    public static int? ExpertOf(string name)
    {
        int start = name.IndexOf(ExpertPath, StringComparison.Ordinal);
        if (start < 0)
            return null;
        ReadOnlySpan<char> number = name.AsSpan(start + ExpertPath.Length);
        int end = number.IndexOf('.');
        return end > 0 && int.TryParse(number[..end], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int expert) ? expert : null;
    }

    /// <summary>Reads the pickles of all model files; no tensor is read.</summary>
    /// <param name="files">The files.</param>
    /// <param name="folder">Their names.</param>
    /// <param name="fused">Which parameters are trained as one.</param>
    /// <exception cref="CorruptCheckpointException">A file is bad, or the files contradict each other.</exception>
    public static InternLmWeights Load(InternLmFiles files, InternLmFolder folder, FusedParameters fused)
    {
        var own = new List<(ModelRank Rank, IReadOnlyList<KeyValuePair<string, StateTensor>> Tensors)>();
        foreach (ModelRank rank in folder.ModelRanks())
            own.Add((rank, folder.IsFsdp ? Joined(files, folder, rank) : Plain(files, files.OpenMap(folder.ModelFiles(rank).First()), $"{folder.ModelFiles(rank).First()}")));
        var stages = new StageNames([.. own.GroupBy(rank => rank.Rank.Pp).OrderBy(stage => stage.Key).Select(stage => stage.SelectMany(rank => rank.Tensors.Select(tensor => tensor.Key)).ToHashSet(StringComparer.Ordinal))]);
        var ranks = new List<RankTensors>(own.Count);
        foreach ((ModelRank rank, IReadOnlyList<KeyValuePair<string, StateTensor>> tensors) in own)
            ranks.Add(Named(files, rank, tensors, stages, fused));
        var experts = new ExpertFiles(files, folder, stages, own);
        return new InternLmWeights(files.Folder, ranks, experts.Load(fused), new ShardRules(Topology(files, folder, stages), folder.IsIsp), stages.Layers);
    }

    /// <summary>The whole model.</summary>
    /// <exception cref="CorruptCheckpointException">The ranks contradict each other.</exception>
    public OrderedDictionary<string, StateTensor> Merge() => Merge(Ranks, Experts);

    /// <summary>The whole of what ranks hold by these weights' names.</summary>
    public OrderedDictionary<string, StateTensor> Merge(IReadOnlyList<RankTensors> ranks, IReadOnlyList<RankTensors> experts)
    {
        OrderedDictionary<string, StateTensor> whole = RankTensors.Merge(ranks, Rules, Folder);
        foreach ((string name, StateTensor tensor) in RankTensors.Merge(experts, Rules, Folder))
        {
            if (!whole.TryAdd(name, tensor))
                throw RankTensors.Bad(Folder, $"'{name}' is in a model file and in an expert's");
        }
        return FusedParameters.Split(whole);
    }

    /// <summary>The tensors of a state dict.</summary>
    public static List<KeyValuePair<string, StateTensor>> Plain(InternLmFiles files, TorchMap map, string file)
    {
        var tensors = new List<KeyValuePair<string, StateTensor>>(map.Count);
        foreach ((TorchValue key, TorchValue value) in map)
        {
            if ((key as TorchScalar)?.Value is not string name || value is not TorchTensorValue tensor)
                throw RankTensors.Bad(files.Folder, $"{file} is no state dict: '{key}' is no tensor with a name");
            tensors.Add(new(name, tensor.Data));
        }
        return tensors;
    }

    // With FSDP every data-parallel rank has some rows of each tensor.
    private static List<KeyValuePair<string, StateTensor>> Joined(InternLmFiles files, InternLmFolder folder, ModelRank rank)
    {
        var shards = new OrderedDictionary<string, List<ShardTensor>>(StringComparer.Ordinal);
        foreach (InternLmFileName file in folder.ModelFiles(rank))
        {
            foreach ((TorchValue key, TorchValue value) in files.OpenMap(file))
            {
                if ((key as TorchScalar)?.Value is not string name)
                    throw RankTensors.Bad(files.Folder, $"{file} is no state dict: '{key}' is no name");
                IReadOnlyList<ShardTensor> found = value is TorchTensorValue whole ? [new ShardTensor(whole.Data, ShardExtent.Whole([.. whole.Data.Shape]))]
                    : FsdpShards.Of(value) ?? throw RankTensors.Bad(files.Folder, $"'{name}' of {file} is neither a tensor nor a sharded tensor, but {value}");
                if (!shards.TryGetValue(name, out List<ShardTensor>? list))
                    shards.Add(name, list = []);
                list.AddRange(found);
            }
        }
        var tensors = new List<KeyValuePair<string, StateTensor>>(shards.Count);
        foreach ((string name, List<ShardTensor> parts) in shards)
        {
            try
            {
                tensors.Add(new(name, StateTensor.Join(name, parts)));
            }
            catch (Exception e) when (e is ArgumentException or OverflowException or ShardOwnershipException)
            {
                throw RankTensors.Bad(files.Folder, $"the shards of '{name}' are not the whole of it ({e.Message})", e);
            }
        }
        return tensors;
    }

    private static RankTensors Named(InternLmFiles files, ModelRank rank, IEnumerable<KeyValuePair<string, StateTensor>> tensors, StageNames stages, FusedParameters fused)
    {
        var named = new RankTensors(rank, new OrderedDictionary<string, StateTensor>(StringComparer.Ordinal));
        foreach ((string name, StateTensor tensor) in tensors)
        {
            if (!named.Tensors.TryAdd(stages.Whole(name, rank.Pp), tensor))
                throw RankTensors.Bad(files.Folder, $"two tensors of stage {rank.Pp} are '{stages.Whole(name, rank.Pp)}' in the whole model");
        }
        return named with { Tensors = fused.Restore(named.Tensors) };
    }

    private static Dictionary<string, int> Topology(InternLmFiles files, InternLmFolder folder, StageNames stages)
    {
        var topology = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (ModelRank rank in folder.ModelRanks().Where(rank => folder.Has(folder.TopologyFile(rank))))
        {
            foreach ((TorchValue module, TorchValue value) in files.OpenMap(folder.TopologyFile(rank)))
            {
                if ((module as TorchScalar)?.Value is string name && ((value as TorchMap)?.Find("dim") as TorchScalar)?.Value is long dimension and (0 or 1))
                    topology[stages.Whole(name + ".", rank.Pp).TrimEnd('.')] = (int)dimension;
                else
                    throw RankTensors.Bad(files.Folder, $"{folder.TopologyFile(rank)} says of '{module}' that it is cut along {value}, not along dimension 0 or 1");
            }
        }
        return topology;
    }
}
