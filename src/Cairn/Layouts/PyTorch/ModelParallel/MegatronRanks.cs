using System.Globalization;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.PyTorch.ModelParallel;

/// <summary>A step that several model-parallel ranks of Megatron-LM saved in the format <c>torch</c>, each a file with its part of the model.</summary>
internal static class MegatronRanks
{
    private const string ModelKey = "model", OptimizerKey = "optimizer", RandomKey = "rng_state", Iteration = "iteration";
    private const string TensorSize = "tensor_model_parallel_size", PipelineSize = "pipeline_model_parallel_size", ExpertSize = "expert_model_parallel_size", ExpertTensorSize = "expert_tensor_parallel_size";
    private const int MostChunks = 1000;

    /// <summary>Opens a step.</summary>
    /// <exception cref="CorruptCheckpointException">Files are missing, or contradict each other.</exception>
    public static LoadedRanks Open(IFileSource files, string folder, IReadOnlyList<string> names)
    {
        List<LoadedTorchState> opened = [];
        try
        {
            foreach (string name in names)
                opened.Add(LoadedTorchState.OpenFile(files, StorePath.Join(folder, name), name, []));
        }
        catch
        {
            opened.ForEach(file => file.Dispose());
            throw;
        }
        return LoadedRanks.Of(names, opened, loaded =>
        {
            StateMap[] roots = [.. opened.Select((file, i) => file.Root as StateMap ?? throw Bad(folder, $"{names[i]} holds no state of a rank"))];
            Read(loaded, folder, names, roots);
        });
    }

    private static void Read(LoadedRanks loaded, string folder, IReadOnlyList<string> names, StateMap[] roots)
    {
        RankGrid grid = RankGrid.OfMegatron(names, isExpert: RankGrid.SizeIn(roots[0], PipelineSize) is null or 1 && RankGrid.SizeIn(roots[0], ExpertSize) > 1);
        if (grid.Missing is { } missing)
            throw Bad(folder, $"the file of tensor-parallel rank {missing.Tensor}, stage {missing.Pipeline}{(grid.Experts > 1 ? $", expert-parallel rank {missing.Expert}" : "")} is missing");
        foreach ((string kind, int found) in ((string, int)[])[(TensorSize, grid.Tensors), (PipelineSize, grid.Stages), (ExpertSize, grid.Experts)])
        {
            if (RankGrid.SizeIn(roots[0], kind) is { } said && said != found)
                throw Bad(folder, $"{kind} was {said}, and there are files of {found}");
        }
        for (int i = 1; i < roots.Length; i++)
        {
            if ((roots[i].GetValueOrDefault(Iteration) as StateScalar)?.Value is long own && (roots[0].GetValueOrDefault(Iteration) as StateScalar)?.Value is long first && own != first)
                throw Bad(folder, $"{names[i]} is of iteration {own}, and {names[0]} of {first}");
        }
        StateMap[][] chunks = [.. roots.Select((root, i) => Chunks(root) is { Length: > 0 } own ? own : throw Bad(folder, $"{names[i]} has no '{ModelKey}'"))];
        if (chunks.FirstOrDefault(own => own.Length != chunks[0].Length) is { } other)
            throw Bad(folder, $"one rank has {chunks[0].Length} parts of the model, and another {other.Length}");
        loaded.AddJoined(LoadedRanks.Model, [.. chunks.Select(own => own.Length == 1 ? own[0] : Numbered(own))], () => Join(loaded, folder, grid, roots[0], chunks));
        StateMap[] optimizers = [.. roots.Select(root => root.GetValueOrDefault(OptimizerKey)).OfType<StateMap>()];
        if (optimizers.Length > 0)
        {
            loaded.AddApart(LoadedRanks.Optimizer, optimizers,
                $"The optimizer of {roots.Length} model-parallel ranks in {folder} goes by the numbers that each rank gave its own parameters, and the files do not say which they are, so that it cannot be put together. Take the model alone (--part model, ResumeParts), or the file of one rank.");
        }
        StateMap[] random = [.. roots.Select(root => root.GetValueOrDefault(RandomKey)).OfType<StateNode>().Select(node => node as StateMap ?? new StateMap { [RandomKey] = node })];
        if (random.Length > 0)
            loaded.AddApart(LoadedRanks.Random, random, null);
        StateMap context = [];
        foreach ((string key, StateNode node) in roots[0])
        {
            if (key is not (OptimizerKey or RandomKey) && !IsChunk(key))
                context.Add(key, node);
        }
        if (context.Count > 0)
            loaded.AddWhole(LoadedRanks.Context, context);
    }

    private static StateMap Join(LoadedRanks loaded, string folder, RankGrid grid, StateMap first, StateMap[][] chunks)
    {
        if (grid.Experts > 1 && RankGrid.SizeIn(first, ExpertTensorSize) is { } size && size != grid.Tensors)
            throw new CheckpointException($"In {folder} the experts were cut over {size} tensor-parallel ranks, and the rest of the model over {grid.Tensors}, and such are not put together here. Give the file of one rank, or write the whole model with Megatron-LM's own tools first.") { Path = folder };
        bool areQkvApart = (first.GetValueOrDefault("checkpoint_version") as StateScalar)?.Value is not (>= 1.0 or >= 1L);
        var join = new ModelJoin(folder);
        List<StateMap> stages = [];
        // A rank's parts of the model take turns with those of the other ranks.
        for (int chunk = 0; chunk < chunks[0].Length; chunk++)
        {
            for (int stage = 0; stage < grid.Stages; stage++)
            {
                StateMap[] ranks = [.. Enumerable.Range(0, grid.Tensors).Select(tensor => join.Experts([.. Enumerable.Range(0, grid.Experts).Select(expert => ModelJoin.Flatten(chunks[grid.IndexOf(new RankPlace(tensor, stage, expert))!.Value][chunk]))]))];
                IReadOnlyDictionary<string, IReadOnlyList<long>> shapes = ModelJoin.Shapes(ranks[0]);
                stages.Add(join.Tensors(ranks, name => MegatronNames.CutOf(name, shapes, areQkvApart)));
            }
        }
        StateMap model = join.Stages(stages);
        loaded.Note($"the model is put together of what {grid.Tensors} tensor-parallel ranks, {grid.Stages} pipeline stages and {grid.Experts} expert-parallel ranks have of it; what each rank has whole is the first one's");
        if (join.FoundAlike.Count > 0)
            loaded.Note($"taken as they are, for all ranks have the same and the name does not tell: {string.Join(", ", join.FoundAlike.Take(5))}{(join.FoundAlike.Count > 5 ? $" and {join.FoundAlike.Count - 5} more" : "")}");
        return model;
    }

    // With virtual pipeline stages model0, model1, …
    private static StateMap[] Chunks(StateMap root) => root.GetValueOrDefault(ModelKey) is StateMap whole ? [whole]
        : [.. Enumerable.Range(0, MostChunks).Select(i => root.GetValueOrDefault($"{ModelKey}{i.ToString(CultureInfo.InvariantCulture)}") as StateMap).TakeWhile(chunk => chunk is not null).OfType<StateMap>()];

    private static StateMap Numbered(StateMap[] chunks)
    {
        StateMap all = [];
        for (int i = 0; i < chunks.Length; i++)
            all.Add($"{ModelKey}{i.ToString(CultureInfo.InvariantCulture)}", chunks[i]);
        return all;
    }

    private static bool IsChunk(string key) => key.StartsWith(ModelKey, StringComparison.Ordinal) && key.AsSpan(ModelKey.Length).IndexOfAnyExceptInRange('0', '9') < 0;

    private static CorruptCheckpointException Bad(string folder, string what) => new($"The files of the model-parallel ranks in {folder} do not belong together: {what}. The save was not ended, or files were lost: take another checkpoint.") { Path = folder };
}
