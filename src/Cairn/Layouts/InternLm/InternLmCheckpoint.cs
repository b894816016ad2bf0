using Cairn.Formats.Torch;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// A checkpoint that InternLM or InternEvo wrote, whatever the job's sizes, put together to one model and one optimizer. Tensors read only the bytes that they
/// are asked for, from the files that have them. Where the weights are of half precision and the optimizer has them in fp32, the part <c>master</c> is the model
/// with these.
/// </summary>
internal sealed class InternLmCheckpoint : LoadedCheckpoint
{
    public const string Model = "model", Optimizer = "optimizer", Master = "master", Scaler = "scaler", Scheduler = "scheduler", Sampler = "sampler", Context = "context";
    private const string StepCount = "step_count", BatchCount = "batch_count", LastEpoch = "last_epoch", Values = "values", GradientScaler = "grad_scaler", Scale = "_scale";

    private const int MostMissing = 1000;

    private readonly InternLmFolder _folder;
    private readonly InternLmFiles _files;
    private InternLmWeights? _weights;
    private InternLmOptimizer? _optimizer;
    private IReadOnlyList<string>? _parts;

    /// <exception cref="CorruptCheckpointException">A file is missing that the others' names ask for, or one of a kind that is not known stands among them.</exception>
    public InternLmCheckpoint(IFileSource store, string folder, IEnumerable<string> fileNames)
    {
        _folder = new InternLmFolder(fileNames);
        _files = Keep(new InternLmFiles(store, folder));
        if (NotUnderstood() is { } reason)
        {
            _files.Dispose();
            throw RankTensors.Bad(_files.Folder, reason);
        }
    }

    /// <summary>Its files by name, and the sizes of the job.</summary>
    public InternLmFolder Folder => _folder;

    public override IReadOnlyList<string> Parts => _parts ??= [.. ((string[])[Model, Optimizer, Master, Scaler, Scheduler, Sampler, Context]).Where(Has)];

    /// <summary>Whether there is such a part. For all but <see cref="Master"/> the names of the files say it.</summary>
    public bool Has(string part) => part switch
    {
        Model => true,
        Optimizer => _folder.HasOptimizer,
        Master => Has(Optimizer) && Weights.Ranks.Any(rank => rank.Tensors.Values.Any(tensor => tensor.Type is TensorType.F16 or TensorType.BF16)),
        Scaler => Has(Optimizer) && ScalerState() is not null,
        Scheduler => _folder.Has(new(InternLmFileKind.Scheduler)),
        Sampler => _folder.Of(InternLmFileKind.Sampler).Count > 0,
        Context => _folder.Has(new(InternLmFileKind.Context)),
        _ => false,
    };

    /// <summary>
    /// Puts model and optimizer together, so that what does not fit shows: other layers than the configuration says, and weights that are not those which the
    /// optimizer has trained.
    /// </summary>
    /// <param name="isSample">Whether to compare only samples of the weights.</param>
    /// <param name="files">Names of the model files whose weights are compared; <see langword="null"/> for all.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="CorruptCheckpointException">Something does not fit.</exception>
    public void Check(bool isSample, IReadOnlySet<string>? files = null, CancellationToken cancellationToken = default)
    {
        _ = Weights.Merge();
        if (Configuration?.Find("num_layers") is TorchScalar { Value: long layers } && Weights.Layers > 0 && Weights.Layers < layers)
            throw RankTensors.Bad(_files.Folder, $"it has {Weights.Layers} of the {layers} layers of its model: files of pipeline stages are missing");
        if (!Has(Optimizer))
            return;
        (IReadOnlyList<RankTensors> ranks, IReadOnlyList<RankTensors> experts) = OptimizerState.MasterOfRanks;
        foreach ((RankTensors model, RankTensors master) in (IEnumerable<(RankTensors, RankTensors)>)
            [.. Weights.Ranks.Join(ranks, one => one.Rank, other => other.Rank, (one, other) => (one, other)), .. Weights.Experts.Join(experts, one => one.Rank, other => other.Rank, (one, other) => (one, other))])
        {
            if (files is not null && !_folder.ModelFiles(model.Rank).Any(file => files.Contains(file.ToString())))
                continue;
            if (WeightCoherence.Difference(model, master, isSample, cancellationToken) is { } name)
                throw RankTensors.Bad(_files.Folder, $"'{name}' of the model is not what its optimizer has trained, so files of two saves stand together: InternLM was interrupted while it overwrote an older copy");
        }
    }

    /// <summary>The counts of updates in the optimizer's files, each with the file's name.</summary>
    public IEnumerable<(string File, double Step)> OptimizerSteps =>
        new OptimizerFiles(_files, _folder).All.SelectMany(file => file.Steps().Distinct().Select(step => (file.Name.ToString(), step)));

    public override IReadOnlyList<string> FilesOf(string part) => [.. KindsOf(part).SelectMany(_folder.Of).Select(file => file.ToString())];

    public override IReadOnlyList<int> RanksOf(string part) => part == Sampler ? [.. _folder.Of(InternLmFileKind.Sampler).Select(file => file.Dp).OfType<int>().Order()] : base.RanksOf(part);

    public override StateMap Load(string part, int rank) => part == Sampler && _folder.Has(new(InternLmFileKind.Sampler) { Dp = rank })
        ? Tree(new(InternLmFileKind.Sampler) { Dp = rank })
        : base.Load(part, rank);

    public override StateMap Load(string part)
    {
        if (!Has(part))
            throw new KeyNotFoundException($"The checkpoint has no part '{part}'.");
        return part switch
        {
            Model => Map(Weights.Merge()),
            Optimizer => OptimizerState.State,
            Master => WithMaster(),
            Scaler => ScalerState()!,
            Scheduler => SchedulerState(),
            Sampler => Tree(_folder.Of(InternLmFileKind.Sampler).MinBy(file => file.Dp ?? -1)!),
            _ => ContextState(),
        };
    }

    /// <summary>The scheduler as it was saved.</summary>
    public StateMap? SavedScheduler => Has(Scheduler) ? Tree(new(InternLmFileKind.Scheduler)) : null;

    private InternLmWeights Weights => _weights ??= InternLmWeights.Load(_files, _folder, new FusedParameters(Flag("enable_qkv_fusion"), Flag("mlp_layer_fusion")));

    private InternLmOptimizer OptimizerState => _optimizer ??= InternLmOptimizer.Load(_files, _folder, Weights);

    // The model's configuration, where there is one.
    private TorchMap? Configuration => _folder.Has(new(InternLmFileKind.ModelConfig)) ? PlainValues.Of(_files.Open(new(InternLmFileKind.ModelConfig)).Root) as TorchMap : null;

    private bool? Flag(string key) => (Configuration?.Find(key) as TorchScalar)?.Value as bool?;

    private string? NotUnderstood()
    {
        if (_folder.Unknown is [var unknown, ..])
            return $"{unknown} is a shard by its name, and of a kind that this version of Cairn does not know: use a newer one";
        if (_folder.HasShardedOptimizer && !_folder.HasModel)
            return $"its model is none of InternLM's files, but a distributed checkpoint of PyTorch beside {_folder.Of(InternLmFileKind.Optimizer)[0]}: give a folder with the .distcp files and .metadata alone";
        // A name may claim any number of ranks.
        InternLmFileName[] missing = [.. _folder.Required().Where(file => !_folder.Has(file)).Take(MostMissing)];
        string sizes = $"by the names of the others there were {_folder}";
        return missing.Length switch
        {
            0 => null,
            1 => $"{missing[0]} is missing; {sizes}",
            MostMissing => $"{MostMissing} files and more are missing, the first {missing[0]}; {sizes}",
            var count => $"{count} files are missing, the first {missing[0]}; {sizes}",
        };
    }

    private static InternLmFileKind[] KindsOf(string part) => part switch
    {
        Model => [InternLmFileKind.Model, InternLmFileKind.Expert, InternLmFileKind.Topology],
        Optimizer or Master => [InternLmFileKind.Optimizer, InternLmFileKind.Plan, InternLmFileKind.Model, InternLmFileKind.Expert, InternLmFileKind.Topology],
        Scaler => [InternLmFileKind.Optimizer],
        Scheduler => [InternLmFileKind.Scheduler, InternLmFileKind.Context],
        Sampler => [InternLmFileKind.Sampler],
        Context => [InternLmFileKind.Context, InternLmFileKind.ModelConfig, InternLmFileKind.ConfigFile, InternLmFileKind.Scheduler, InternLmFileKind.Sampler],
        _ => throw new KeyNotFoundException($"The checkpoint has no part '{part}'."),
    };

    // All ranks scale alike: they skip the same batches.
    private StateMap? ScalerState() => _files.OpenMap(_folder.Of(InternLmFileKind.Optimizer)[0]).Find(GradientScaler) is TorchMap scaler
        ? (StateMap)TorchTree.ToState(PlainValues.Of(scaler)) : null;

    /// <summary>Whether a program may go on without a part: the master weights, and the loss scale, which InternLM saves for programs that do not scale too.</summary>
    public static bool IsOptional(string part, LoadedCheckpoint checkpoint) => part == Master || (part == Scaler && checkpoint.Load(part).ContainsKey(Scale));

    private StateMap WithMaster()
    {
        StateMap model = Map(Weights.Merge());
        foreach ((string name, StateTensor tensor) in OptimizerState.Master)
            model[name] = tensor;
        return model;
    }

    private StateMap ContextState()
    {
        StateMap context = Tree(new(InternLmFileKind.Context));
        StateMap values = context.TryGetValue(Values, out StateNode? node) && node is StateMap own ? own : [];
        foreach ((InternLmFileKind kind, string name) in (ReadOnlySpan<(InternLmFileKind, string)>)[(InternLmFileKind.ModelConfig, InternLmPlan.ModelConfig), (InternLmFileKind.ConfigFile, InternLmPlan.ConfigFile)])
        {
            if (_folder.Has(new(kind)) && !values.ContainsKey(name))
                values.Add(name, TorchTree.ToState(PlainValues.Of(_files.Open(new(kind)).Root)));
        }
        // What InternLM's own classes need again, when a run of another program is saved in these files.
        if (_folder.Has(new(InternLmFileKind.Scheduler)) && WarmUpSchedule.ConfigurationOf(Tree(new(InternLmFileKind.Scheduler))) is { } schedule)
            values[InternLmPlan.Schedule] = schedule;
        if (Has(Sampler) && InternLmSampler.ConfigurationOf(Load(Sampler)) is { Count: > 0 } data)
            values[InternLmPlan.Data] = data;
        if (Has(Sampler) && !_folder.Has(new(InternLmFileKind.Sampler)))
            values[InternLmPlan.NumberedSamplers] = true;
        context[Values] = values;
        return context;
    }

    // A warm-up stops counting when it is over, and InternLM itself goes on from step_count + 1, which leaves out one value of a warm-up. The counter
    // of a schedule that was not interrupted is the number of steps.
    private StateMap SchedulerState()
    {
        StateMap scheduler = Tree(new(InternLmFileKind.Scheduler));
        if (Has(Context))
        {
            StateMap context = Tree(new(InternLmFileKind.Context));
            if (context.TryGetValue(StepCount, out StateNode? step) && step is StateScalar { Value: long steps })
                scheduler[LastEpoch] = steps;
            else if (context.TryGetValue(BatchCount, out step) && step is StateScalar { Value: long batches })
                scheduler[LastEpoch] = batches + 1;
        }
        return scheduler;
    }

    private StateMap Tree(InternLmFileName file) =>
        TorchTree.ToState(PlainValues.Of(_files.Open(file).Root)) as StateMap ?? throw RankTensors.Bad(_files.Folder, $"{file} holds no dict");

    private static StateMap Map(OrderedDictionary<string, StateTensor> tensors)
    {
        StateMap map = [];
        foreach ((string name, StateTensor tensor) in tensors)
            map.Add(name, tensor);
        return map;
    }
}
