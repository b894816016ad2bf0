using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.PyTorch.ModelParallel;

/// <summary>A step that several model-parallel ranks of DeepSpeed saved, or one of a mixture of experts, each of which has a file of its own.</summary>
internal static class DeepSpeedRanks
{
    private const string Module = "module", OptimizerKey = "optimizer", ZeroKey = "optimizer_state_dict", State = "state", Groups = "param_groups", Size = "mp_world_size";

    /// <summary>Opens a step.</summary>
    /// <exception cref="CorruptCheckpointException">Files are missing, or contradict each other.</exception>
    public static LoadedRanks Open(IFileSource files, RankFolder folder)
    {
        List<LoadedTorchState> opened = [], experts = [];
        int ranks = folder.ModelRanks;
        try
        {
            for (int rank = 0; rank < ranks; rank++)
            {
                string[] models = [.. folder.Files.Where(name => RankFolder.ModelRankOf(name) == rank)], optimizers = [.. folder.Optimizers.Where(name => RankFolder.ModelRankOf(name) == rank)];
                if (models.Length == 0)
                    throw Bad(folder.Path, $"the file of model-parallel rank {rank} is missing");
                opened.Add(optimizers.Length == 0 || folder.Experts.Count > 0 ? LoadedTorchState.OpenFile(files, Within(models[0]), models[0], []) : LoadedTorchState.OpenZero(files, folder.Path, models, optimizers));
            }
            foreach (string name in folder.Experts)
                experts.Add(LoadedTorchState.OpenFile(files, Within(name), name, []));
        }
        catch
        {
            opened.ForEach(file => file.Dispose());
            experts.ForEach(file => file.Dispose());
            throw;
        }
        return LoadedRanks.Of([.. folder.Files, .. folder.Experts, .. folder.Experts.Count > 0 ? [] : folder.Optimizers], [.. opened, .. experts], loaded =>
        {
            StateMap[] roots = [.. opened.Select((file, rank) => file.Root as StateMap ?? throw Bad(folder.Path, $"the file of model-parallel rank {rank} holds no state"))];
            ILookup<int, StateMap> ofRank = experts.Select((file, i) => (Rank: RankFolder.ModelRankOf(folder.Experts[i]), State: file.Root as StateMap ?? throw Bad(folder.Path, $"{folder.Experts[i]} holds no weights of an expert")))
                .ToLookup(expert => expert.Rank, expert => expert.State);
            Read(loaded, folder, roots, ofRank);
        });

        string Within(string name) => StorePath.Join(folder.Path, name);
    }

    private static void Read(LoadedRanks loaded, RankFolder folder, StateMap[] roots, ILookup<int, StateMap> experts)
    {
        if ((roots[0].GetValueOrDefault(Size) as StateScalar)?.Value is long said && said != roots.Length)
            throw Bad(folder.Path, $"{said} model-parallel ranks saved it, and there are files of {roots.Length}");
        StateMap[] modules = [.. roots.Select((root, rank) => WithExperts(folder.Path, root.GetValueOrDefault(Module) as StateMap
            ?? throw new CheckpointException($"The files of the model-parallel ranks in {folder.Path} have no '{Module}': a job with pipeline stages keeps it in files of its layers, which are not put together here. Write the whole model with DeepSpeed's own tools first.") { Path = folder.Path }, experts[rank]))];
        var join = new ModelJoin(folder.Path);
        Func<string, TensorCut?> cutOf = UniversalPatterns.In(roots[0]) is { } patterns ? patterns.CutOf : ByName(modules[0], roots[0]);
        loaded.AddJoined(LoadedRanks.Model, modules, () => join.Tensors(modules, cutOf));
        if (roots.Length > 1)
            loaded.Note($"the model is put together of what {roots.Length} tensor-parallel ranks have of it, with the rows that fill up the vocabulary; what each rank has whole is the first one's");
        if (folder.Experts.Count > 0 && folder.Optimizers.Count > 0)
            loaded.Note("the optimizer is not read: experts are shared by fewer ranks, and their pieces are not put together here");
        AddOptimizers(loaded, folder, roots, join, cutOf);
        // Of the rest all ranks have the same.
        StateMap rest = new() { [Module] = new StateMap() };
        foreach ((string key, StateNode node) in roots[0])
        {
            if (key is not (Module or OptimizerKey or ZeroKey or UniversalPatterns.Key))
                rest.Add(key, node);
        }
        foreach ((string part, StateMap state) in PartSplit.Of(rest))
        {
            if (part != LoadedRanks.Model)
                loaded.AddWhole(part, state);
        }
    }

    private static Func<string, TensorCut?> ByName(StateMap module, StateMap root)
    {
        IReadOnlyDictionary<string, IReadOnlyList<long>> shapes = ModelJoin.Shapes(module);
        bool areQkvApart = (root.GetValueOrDefault("checkpoint_version") as StateScalar)?.Value is 0L or 0.0;
        return name => MegatronNames.CutOf(name, shapes, areQkvApart);
    }

    private static StateMap WithExperts(string folder, StateMap module, IEnumerable<StateMap> experts)
    {
        StateMap flat = ModelJoin.Flatten(module);
        foreach ((string name, StateNode node) in experts.SelectMany(ModelJoin.Flatten))
        {
            if (flat.ContainsKey(name))
                throw Bad(folder, $"'{name}' stands in two files");
            flat.Add(name, node);
        }
        return flat;
    }

    // Of ZeRO's it goes by names, and its tensors are shared as the parameters are.
    private static void AddOptimizers(LoadedRanks loaded, RankFolder folder, StateMap[] roots, ModelJoin join, Func<string, TensorCut?> cutOf)
    {
        StateMap[] optimizers = [.. roots.Select(root => root.GetValueOrDefault(OptimizerKey)).OfType<StateMap>()];
        if (optimizers.Length != roots.Length)
            return;
        if (roots.Length == 1)
        {
            loaded.AddWhole(LoadedRanks.Optimizer, optimizers[0]);
            return;
        }
        if (folder.Optimizers.Count == 0)
        {
            loaded.AddApart(LoadedRanks.Optimizer, optimizers,
                $"The optimizer of {roots.Length} model-parallel ranks in {folder.Path} goes by the numbers that each rank gave its own parameters, so that it cannot be put together. Take the model alone (--part model, ResumeParts), or the file of one rank.");
            return;
        }
        loaded.AddJoined(LoadedRanks.Optimizer, optimizers, () =>
        {
            StateMap[] states = [.. optimizers.Select(optimizer => optimizer.GetValueOrDefault(State) as StateMap ?? [])];
            StateMap whole = [];
            foreach ((string name, StateNode node) in states[0])
            {
                StateMap[] pieces = [.. states.Select((state, rank) => state.GetValueOrDefault(name) as StateMap ?? throw Bad(folder.Path, $"model-parallel rank {rank} has no state of '{name}'"))];
                StateMap joined = [];
                foreach ((string field, StateNode value) in pieces[0])
                {
                    joined.Add(field, value is StateTensor { Shape.Count: > 0 } ? join.Joined(name, [.. pieces.Select((piece, rank) => piece.GetValueOrDefault(field) as StateTensor ?? throw Bad(folder.Path, $"model-parallel rank {rank} has no '{field}' of '{name}'"))], cutOf(name)) : value);
                }
                whole.Add(name, joined);
            }
            return new StateMap { [State] = whole, [Groups] = optimizers[0].GetValueOrDefault(Groups) ?? new StateList() };
        });
    }

    private static CorruptCheckpointException Bad(string folder, string what) => new($"The files of the model-parallel ranks in {folder} do not belong together: {what}. The save was not ended, or files were lost: take another checkpoint.") { Path = folder };
}
