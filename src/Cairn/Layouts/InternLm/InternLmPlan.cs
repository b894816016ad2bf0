using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>The files of a checkpoint in the layout <c>internlm</c>, for a world of one rank.</summary>
internal static class InternLmPlan
{
    /// <summary>Which parts there are, where they stand, and what InternLM's files cannot say of them.</summary>
    public const string IndexName = "cairn.pt";
    public const string FormatKey = "format", PartsKey = "parts", FilesKey = "files", OptimizerKey = "optimizer";
    /// <summary>The names of the experts' files, in the order of their weights.</summary>
    public const string ExpertsKey = "experts";
    /// <summary>The formats of the index that are written and read: the second one has experts in files of their own.</summary>
    public const long Format = 1, FormatWithExperts = 2;

    private const string Model = "model", Optimizer = "optimizer", Scaler = "scaler", Scheduler = "scheduler", Sampler = "sampler", Context = "context";
    /// <summary>What a run may keep in <see cref="TrainState.Values"/> for InternLM: its two files about the configuration, and of that the schedule and the data.</summary>
    public const string ModelConfig = "model_config", ConfigFile = "config_file", Schedule = "lr_scheduler", Data = "data";
    /// <summary>Set among <see cref="TrainState.Values"/> where each data-parallel rank saved a sampler of its own, as streamed data does: InternEvo then looks for its file by the rank's number.</summary>
    public const string NumberedSamplers = "numbered_samplers";
    private const string Values = "values", Dtype = "dtype", WordEmbeddings = ".word_embeddings.weight";

    private static readonly InternLmFileName ModelFile = new(InternLmFileKind.Model) { Tp = 0, Pp = 0 };
    private static readonly InternLmFileName OptimizerFile = new(InternLmFileKind.Optimizer) { Tp = 0, Pp = 0, Zo = 0 };
    private static readonly InternLmFileName NumberedSampler = new(InternLmFileKind.Sampler) { Dp = 0 };

    public static IReadOnlyList<PlannedFile> Of(long step, IReadOnlyList<(string Part, StateMap State)> parts)
    {
        Dictionary<string, StateMap> states = parts.ToDictionary(part => part.Part, part => part.State, StringComparer.Ordinal);
        StateMap? context = states.GetValueOrDefault(Context);
        StateMap values = (context is null ? null : MapIn(context, Values)) ?? [];
        FlattenedOptimizer? flattened = states.TryGetValue(Model, out StateMap? model) && states.TryGetValue(Optimizer, out StateMap? optimizer)
            ? FlattenedOptimizer.Of(optimizer, model, states.GetValueOrDefault(Scaler), states.GetValueOrDefault(InternLmCheckpoint.Master), IsOfLaterEvo(values))
            : null;
        WrittenExperts? experts = model is null ? null : WrittenExperts.Of(model, MapIn(values, ModelConfig));
        var files = new List<PlannedFile>(parts.Count + 8);
        TorchList order = new(TorchListKind.List);
        TorchMap places = new();
        foreach ((string part, StateMap state) in parts)
        {
            bool isNumbered = part == Sampler && IsTrueIn(values, NumberedSamplers) && !InternLmSampler.IsOfCairn(state);
            string name = part == Optimizer && flattened is null ? Apart(part) : isNumbered ? NumberedSampler.ToString() : NameOf(part);
            if (part == Optimizer && flattened is not null)
            {
                files.Add(File(part, name, flattened.File));
            }
            else
            {
                // What InternLM's own class loads stands in its file, and what this run's class needs in another.
                if (!isNumbered && OfInternLmsClass(part, state, flattened, context, values) is { } theirs)
                {
                    files.Add(File(part, name, theirs));
                    name = Apart(part);
                }
                files.Add(File(part, name, TorchTree.FromState(part == Model && experts is not null ? experts.Others : state)));
            }
            order.Add(part);
            places.Add(part, name);
        }
        foreach ((string name, StateMap weights) in experts?.Files ?? [])
            files.Add(File(Model, name, TorchTree.FromState(weights)));
        if (model is not null)
            files.Add(File(Model, new InternLmFileName(InternLmFileKind.Topology) { Tp = 0, Pp = 0 }.ToString(), Topology(model)));
        if (flattened is not null)
            files.Add(File(Optimizer, new InternLmFileName(InternLmFileKind.Plan) { Gpus = 1, Wp = 0, Tp = 0, Dp = 0, Pp = 0, Zo = 0 }.ToString(), flattened.Plan));
        AddConfiguration(values, files);
        TorchMap index = new() { [FormatKey] = experts is null ? Format : FormatWithExperts, [PartsKey] = order, [FilesKey] = places };
        if (experts is not null)
            index[ExpertsKey] = new TorchList(TorchListKind.List, experts.Files.Select(file => (TorchValue)file.Key));
        if (flattened is not null)
            index[OptimizerKey] = flattened.Remainder;
        files.Add(File("", IndexName, index));
        // InternLM takes a folder for complete when it meets this file: the last one.
        files.Add(File("", new InternLmFileName(InternLmFileKind.Step) { Step = step }.ToString(), new TorchMap { ["step"] = step }));
        return files;
    }

    // InternEvo's configurations of a model have this key since it fuses; until then they did not.
    private static bool IsOfLaterEvo(StateMap values) => MapIn(values, ModelConfig)?.ContainsKey("enable_qkv_fusion") == true;

    // The state of InternLM's scheduler or sampler, for one that is of another class.
    private static TorchMap? OfInternLmsClass(string part, StateMap state, FlattenedOptimizer? optimizer, StateMap? context, StateMap values)
    {
        switch (part)
        {
            case Scheduler when optimizer is not null && !InternLmScheduler.IsOne(state):
                long step = WholeIn(context, "step_count") ?? WholeIn(state, "last_epoch") ?? 0;
                WarmUpSchedule? schedule = WarmUpSchedule.OfConfiguration(MapIn(values, Schedule)) ?? WarmUpSchedule.OfTorchSharp(state);
                return InternLmScheduler.After(step, optimizer.ScheduledGroups, schedule);
            case Sampler when !InternLmSampler.IsOne(state):
                return InternLmSampler.Of(state, context, MapIn(values, Data));
            default:
                return null;
        }
    }

    private static StateMap? MapIn(StateMap map, string key) => map.TryGetValue(key, out StateNode? node) ? node as StateMap : null;

    private static bool IsTrueIn(StateMap map, string key) => map.TryGetValue(key, out StateNode? node) && node is StateScalar { Value: true };

    private static long? WholeIn(StateMap? map, string key) => map is not null && map.TryGetValue(key, out StateNode? node) && node is StateScalar { Value: long value } ? value : null;

    private static string NameOf(string part) => part switch
    {
        Model => ModelFile.ToString(),
        Optimizer => OptimizerFile.ToString(),
        Scheduler => new InternLmFileName(InternLmFileKind.Scheduler).ToString(),
        // One data-parallel rank reads the name without a number.
        Sampler => new InternLmFileName(InternLmFileKind.Sampler).ToString(),
        Context => new InternLmFileName(InternLmFileKind.Context).ToString(),
        "random" => "random_0.pt",
        // InternLM's loader reads coordinates out of every name that begins with "model_t" or "optimizer_".
        _ => Apart(part),
    };

    private static string Apart(string part) => $"cairn_{part}.pt";

    private static PlannedFile File(string part, string name, TorchValue root) =>
        new(part, name, TorchFileWriter.Plan(root, System.IO.Path.GetFileNameWithoutExtension(name)));

    // Modules whose rows InternLM cuts by tensor parallelism (get_model_topology): it names only the embeddings of flash-attention.
    private static TorchMap Topology(StateMap model)
    {
        TorchMap topology = new();
        foreach (string name in model.Keys)
        {
            if (name.EndsWith(WordEmbeddings, StringComparison.Ordinal))
                topology[name[..^".weight".Length]] = new TorchMap { ["dim"] = 0L };
        }
        return topology;
    }

    private static void AddConfiguration(StateMap values, List<PlannedFile> files)
    {
        if (values.TryGetValue(ModelConfig, out StateNode? model) && model is StateMap)
            files.Add(File("", new InternLmFileName(InternLmFileKind.ModelConfig).ToString(), Configuration((TorchMap)TorchTree.FromState(model))));
        if (values.TryGetValue(ConfigFile, out StateNode? file) && file is StateScalar { Value: string text })
            files.Add(File("", new InternLmFileName(InternLmFileKind.ConfigFile).ToString(), text));
    }

    // A state has a dtype as text.
    private static TorchMap Configuration(TorchMap model)
    {
        const string torch = "torch.";
        if ((model.Find(Dtype) as TorchScalar)?.Value is string text && text.StartsWith(torch, StringComparison.Ordinal) && new TorchGlobal("torch", text[torch.Length..]) is var dtype && TorchDtypes.IsDtype(dtype))
            model[Dtype] = dtype;
        return model;
    }
}
