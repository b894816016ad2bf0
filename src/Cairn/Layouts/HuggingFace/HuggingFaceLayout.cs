using Cairn.Formats.Safetensors;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.HuggingFace;

/// <summary>
/// The layout <c>huggingface</c>: the folder of a model as transformers saves it. It has one part, <c>model</c>, a flat map of tensors.
/// Written are <c>model.safetensors</c>, or <c>model-0000i-of-0000n.safetensors</c> with <c>model.safetensors.index.json</c>.
/// </summary>
internal static class HuggingFaceLayout
{
    /// <summary>The layout's name.</summary>
    public const string Name = "huggingface";
    /// <summary>The one part.</summary>
    public const string ModelPart = "model";
    /// <summary>Most bytes of tensors in a file when nothing else is said: 5 GB, as transformers.</summary>
    public const long DefaultMaxShardBytes = 5_000_000_000;

    /// <summary>
    /// Plans the files of a model. No tensor is read. Tied tensors are written once, under the name that comes first, and the others are named in
    /// the file's metadata as <c>safetensors.torch.save_model</c> does; transformers ties them again by <c>tie_word_embeddings</c> of <c>config.json</c>.
    /// </summary>
    /// <param name="model">A flat map of tensors.</param>
    /// <param name="maxShardBytes">Most bytes of tensors in a file; a larger tensor has a file of its own.</param>
    /// <exception cref="ArgumentException">An entry is no tensor.</exception>
    public static IReadOnlyList<PlannedFile> Plan(StateMap model, long maxShardBytes = DefaultMaxShardBytes)
    {
        ArgumentNullException.ThrowIfNull(model);
        var names = new Dictionary<StateTensor, string>(ReferenceEqualityComparer.Instance);
        var tensors = new List<KeyValuePair<string, StateTensor>>(model.Count);
        var ties = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        foreach ((string name, StateNode node) in model)
        {
            if (node is not StateTensor tensor)
                throw new ArgumentException($"'{name}' is no tensor. A model of Hugging Face is a flat map of tensors; choose the part that is one, or save the tensors by themselves.", nameof(model));
            if (names.TryAdd(tensor, name))
                tensors.Add(new(name, tensor));
            else if (ties.TryGetValue(names[tensor], out List<string>? others))
                others.Add(name);
            else
                ties.Add(names[tensor], [name]);
        }
        IReadOnlyList<IReadOnlyList<KeyValuePair<string, StateTensor>>> shards = ShardPlan.Split(tensors, maxShardBytes);
        if (shards.Count == 1)
            return [new PlannedFile(ModelPart, ModelFiles.Safetensors, SafetensorsWriter.Plan(shards[0], Metadata(shards[0], ties)))];
        var files = new List<PlannedFile>(shards.Count + 1);
        var fileOfTensor = new Dictionary<string, string>(StringComparer.Ordinal);
        for (int i = 0; i < shards.Count; i++)
        {
            string file = ModelFiles.Shard(i + 1, shards.Count);
            files.Add(new PlannedFile(ModelPart, file, SafetensorsWriter.Plan(shards[i], Metadata(shards[i], ties))));
            foreach ((string name, _) in shards[i])
                fileOfTensor.Add(name, file);
        }
        var index = new ShardIndex(tensors.Sum(tensor => tensor.Value.ByteLength), fileOfTensor);
        files.Add(new PlannedFile(ModelPart, ModelFiles.SafetensorsIndex, new BytesContent(index.ToBytes())));
        return files;
    }

    /// <summary>Opens a model's folder. The headers of all files are read and compared with the index, the tensors when they are asked for.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="folder">The folder; empty for the root.</param>
    /// <exception cref="CorruptHuggingFaceException">The index and the files contradict each other.</exception>
    /// <exception cref="CorruptCheckpointException">A file is bad, or there is no model.</exception>
    /// <exception cref="IOException">A file could not be opened or read.</exception>
    public static LoadedCheckpoint Open(IFileSource files, string folder)
    {
        string[] names = [.. files.List(folder).Where(entry => !entry.IsFolder).Select(entry => entry.Name)];
        string path = folder.Length == 0 ? files.Root : folder;
        if (ModelFiles.Find(names) is { } found)
        {
            return found.Variants.Count == 0 ? LoadedModel.Open(files, folder, found, names) : throw new CheckpointException(
                $"'{path}' holds several variants of the weights, {string.Join(", ", found.Variants)}, and none without a variant, so nothing says which is meant. Give one of its files, such as {found.Weights ?? found.Index ?? found.Shards[0]}.") { Path = path };
        }
        string? shard = names.FirstOrDefault(ModelFiles.IsShard);
        throw shard is not null
            ? new CorruptHuggingFaceException(HuggingFaceFault.IndexMissing, path, "some of the shards are there, and no index", ModelFiles.SafetensorsIndex, shard)
            : new CorruptCheckpointException($"'{path}' holds no model: there is no {ModelFiles.Safetensors}, no {ModelFiles.Torch} and no index of shards in it.") { Path = path };
    }

    /// <summary>Opens the shards that an index names, whatever else is in its folder.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="folder">The folder; empty for the root.</param>
    /// <param name="index">The index's name in it.</param>
    /// <inheritdoc cref="Open(IFileSource, string)"/>
    public static LoadedCheckpoint OpenIndex(IFileSource files, string folder, string index)
    {
        string[] names = [.. files.List(folder).Where(entry => !entry.IsFolder).Select(entry => entry.Name)];
        if (!names.Contains(index, StringComparer.Ordinal))
            throw new CheckpointException($"There is no {index} in {(folder.Length == 0 ? files.Root : folder)}.") { Path = index };
        string[] others = names.Contains(ModelFiles.Config, StringComparer.Ordinal) ? [ModelFiles.Config] : [];
        return LoadedModel.Open(files, folder, new ModelFiles(null, index, [], others, []), names);
    }

    // "format" is what transformers asks for.
    private static Dictionary<string, string> Metadata(IEnumerable<KeyValuePair<string, StateTensor>> tensors, Dictionary<string, List<string>> ties)
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" };
        foreach ((string name, _) in tensors)
        {
            foreach (string tied in ties.GetValueOrDefault(name, []))
                metadata[tied] = name;
        }
        return metadata;
    }
}
