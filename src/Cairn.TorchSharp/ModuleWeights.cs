using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Layouts.HuggingFace;
using Cairn.Layouts.PyTorch;
using Cairn.Saving;
using Cairn.State;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>
/// Loads and saves the weights of a module with one call: its parameters and persistent buffers, by the names that PyTorch gives them. The methods are not called <c>Load</c> and <c>Save</c>, because TorchSharp's modules
/// have <c>load</c> and <c>save</c> for a format of TorchSharp's own, and a capital letter must not decide about the format.
/// </summary>
public static class ModuleWeights
{
    /// <summary>
    /// Loads weights into the module's existing memory: dtypes, devices, ties and the optimizer's references stay. Names, types and shapes are compared before the first byte is written. Tensors are read one after
    /// another, once, straight into the module: there is no second copy of the model. A tied weight needs one of its names in the source; under several they must hold the same values.
    /// </summary>
    /// <param name="module">The module.</param>
    /// <param name="path">A file of PyTorch (<c>.pt</c>, <c>.pth</c>, <c>.bin</c>, <c>.ckpt</c>), a safetensors file, a folder of Hugging Face, an index of shards (<c>model.safetensors.index.json</c>), a distributed checkpoint,
    /// a checkpoint or run of Cairn or InternLM (of a run what a restart would take), or an address of one in a store.</param>
    /// <param name="options">How names and types are brought together. Default: everything must fit as it is.</param>
    /// <param name="progress">Told of what was read; by several threads, one at a time.</param>
    /// <param name="cancellationToken">Stops the reading. Before the first write nothing is changed; after it see <see cref="LoadWeightsOptions.UndoOnFailure"/>.</param>
    /// <returns>What was loaded, and what was not.</returns>
    /// <exception cref="StateMismatchException">Names, types or shapes do not fit; the message lists them, and nothing was changed.</exception>
    /// <exception cref="CheckpointException">There is nothing to load at the path, or it is damaged; nothing was changed. Or a read failed in the middle: the message says so, and what of the module is changed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="IOException">A file could not be opened; nothing was changed.</exception>
    public static LoadWeightsReport LoadWeights(this torch.nn.Module module, string path, LoadWeightsOptions? options = null, IProgress<WeightsProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(module);
        options ??= new LoadWeightsOptions();
        cancellationToken.ThrowIfCancellationRequested();
        using WeightsSource source = WeightsSource.Open(path);
        return WeightsLoad.Prepare(module, source, options).Write(options.Mapped && source.CanBeMapped, progress, options.UndoOnFailure, cancellationToken);
    }

    /// <summary>Saves the module's weights as PyTorch, safetensors and transformers read them. A file is written beside its place and renamed when it is whole. No tensor is copied as a whole.</summary>
    /// <param name="module">The module.</param>
    /// <param name="path">A file that ends in <c>.pt</c>, <c>.pth</c> or <c>.bin</c> (of PyTorch: <c>model.load_state_dict(torch.load(path))</c> takes it) or <c>.safetensors</c>; a file that is there is replaced. Or a folder, which gets
    /// <c>model.safetensors</c>, or shards with their index, or with <see cref="SaveWeightsOptions.Ranks"/> the files of a distributed checkpoint.</param>
    /// <param name="options">What to save, and how. Default: everything as it is.</param>
    /// <param name="progress">Told of what was read from the module; by several threads, one at a time.</param>
    /// <param name="cancellationToken">Stops between two blocks; the file that was begun is removed.</param>
    /// <returns>The paths of the files that were written.</returns>
    /// <exception cref="CheckpointException">The module has nothing to save, the name's ending is not known, or the folder holds other weights.</exception>
    /// <exception cref="IOException">A file could not be written.</exception>
    public static IReadOnlyList<string> SaveWeights(this torch.nn.Module module, string path, SaveWeightsOptions? options = null, IProgress<WeightsProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new SaveWeightsOptions();
        if (options.Ranks < 1)
            throw new ArgumentOutOfRangeException(nameof(options), options.Ranks, "Ranks must be at least 1.");
        StateMap weights = Chosen(new ModulePart(module).Capture(), options, progress, cancellationToken);
        string full = Path.GetFullPath(path);
        switch (Path.GetExtension(path))
        {
            case ".pt" or ".pth" or ".bin" when !Directory.Exists(full):
                TorchValue root = TorchTree.FromState(options.Key is { } key ? new StateMap { [key] = weights } : weights);
                TorchFileWriter.Plan(root, ArchiveName(full)).SaveTo(full, cancellationToken);
                return [full];
            case ".safetensors" when !Directory.Exists(full):
                RefuseKey(options, path);
                HuggingFaceLayout.Plan(weights, long.MaxValue)[0].Content.SaveTo(full, cancellationToken);
                return [full];
            case "":
                if (options.Ranks is null)
                    RefuseKey(options, path);
                return SaveFolder(weights, full, options, cancellationToken);
            case var _ when Directory.Exists(full) || Path.EndsInDirectorySeparator(path):
                goto case "";
            case var ending:
                throw new CheckpointException($"Weights cannot be saved as {path}: '{ending}' says no format. Use .pt, .pth or .bin (PyTorch), .safetensors, or a folder (Hugging Face); the name of a folder that is new and has a point in it ends in '/'.") { Path = path };
        }
    }

    private static void RefuseKey(SaveWeightsOptions options, string path)
    {
        if (options.Key is not null)
            throw new CheckpointException($"The weights cannot be saved under the key '{options.Key}' in {path}: only files of PyTorch (.pt, .pth, .bin) and distributed checkpoints have keys. Leave Key out.") { Path = path };
    }

    private static StateMap Chosen(StateMap all, SaveWeightsOptions options, IProgress<WeightsProgress>? progress, CancellationToken cancellationToken)
    {
        StateMap chosen = [];
        Dictionary<StateTensor, StateTensor> views = new(ReferenceEqualityComparer.Instance);
        foreach ((string name, StateNode node) in all)
        {
            if ((options.Take.Count > 0 && !WeightNames.Fits(options.Take, name)) || WeightNames.Fits(options.Leave, name))
                continue;
            var tensor = (StateTensor)node;
            // One view of each, so that ties stay.
            if (!views.TryGetValue(tensor, out StateTensor? view))
                views.Add(tensor, view = options.Type is { } type && FloatCast.CanCast(tensor.Type) ? CastTensor.Of(tensor, type) : tensor);
            chosen.Add(options.AddPrefix + name, view);
        }
        if (chosen.Count == 0)
            throw new CheckpointException($"No tensor of the module is to be saved: Take and Leave fit none of {LoadWeightsReport.Few([.. all.Keys])}. Correct the patterns.");
        if (progress is null)
            return chosen;
        var watched = new WatchedTensors(progress, chosen.Values.Cast<StateTensor>().Distinct<StateTensor>(ReferenceEqualityComparer.Instance).Sum(tensor => tensor.ByteLength), cancellationToken);
        foreach (string name in chosen.Keys.ToArray())
            chosen[name] = watched.Of(name, (StateTensor)chosen[name]);
        return chosen;
    }

    // What would be read instead of the new files, or beside them, must not stay.
    private static List<string> SaveFolder(StateMap weights, string folder, SaveWeightsOptions options, CancellationToken cancellationToken)
    {
        string[] old = Directory.Exists(folder) ? [.. Directory.GetFiles(folder).Where(path => DistributedLayout.IsState(Path.GetFileName(path)))] : [];
        if (old.Length > 0 && !options.Overwrite)
            throw new CheckpointException($"{folder} holds the weights of a model: {LoadWeightsReport.Few([.. old.Select(path => Path.GetFileName(path))])}. Choose another folder, or set Overwrite to replace them.") { Path = folder };
        IReadOnlyList<PlannedFile> files = options.Ranks is { } ranks ? Distributed(weights, options.Key, ranks) : HuggingFaceLayout.Plan(weights, options.MaxShardBytes);
        Directory.CreateDirectory(folder);
        // It speaks of files that are about to change.
        File.Delete(Path.Combine(folder, DistributedLayout.MetadataName));
        List<string> written = [];
        foreach (PlannedFile file in files)
        {
            string path = Path.Combine(folder, file.Name);
            file.Content.SaveTo(path, cancellationToken);
            written.Add(path);
        }
        foreach (string path in old.Except(written, StringComparer.Ordinal))
            File.Delete(path);
        return written;
    }

    private static IReadOnlyList<PlannedFile> Distributed(StateMap weights, string? key, int ranks) =>
        DistributedLayout.Plan((TorchMap)TorchTree.FromState(key is null ? weights : new StateMap { [key] = weights }), ranks, []).Files;

    // Not what a name within an archive cannot have.
    internal static string ArchiveName(string path) =>
        Path.GetFileNameWithoutExtension(path) is { Length: > 0 and <= 200 } stem && stem is not ("." or "..") ? stem.Replace('\\', '_').Replace(':', '_') : "archive";
}
