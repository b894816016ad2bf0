using System.Runtime.ExceptionServices;
using System.Text.Json;
using Cairn.Formats.Safetensors;
using Cairn.Formats.Torch;
using Cairn.Formats.Torch.Distributed;
using Cairn.Layouts.PyTorch;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.HuggingFace;

/// <summary>A model's folder that is open for reading, with the states that a Trainer saved beside it.</summary>
internal sealed class LoadedModel : LoadedCheckpoint
{
    private const int LargestConfig = 16 << 20, MostNames = 5;
    private const string Embeddings = "model.embed_tokens.weight", Head = "lm_head.weight";

    private readonly StateMap _state = [];
    private readonly List<string> _weights = [], _notes = [], _disagreements = [];

    private readonly TrainerStates _states;
    private ExceptionDispatchInfo? _damage;
    private readonly Dictionary<(string Part, int? Rank), StateMap> _loaded = [];

    private LoadedModel(ModelFiles found, TrainerStates states)
    {
        _states = states;
        Parts = [HuggingFaceLayout.ModelPart, .. states.Parts];
        HashSet<string> read = [.. states.Parts.SelectMany(part => states.FilesOf(part)!)];
        (OtherFiles, FilesNotOfModel) = ([.. found.Others.Where(name => !read.Contains(name))], [.. found.NotOfModel.Where(name => !read.Contains(name))]);
        try
        {
            StepInside = states.ReadStep();
        }
        catch (CorruptCheckpointException e)
        {
            // The weights do not need it.
            _notes.Add(e.Message.TrimEnd('.'));
        }
    }

    public override IReadOnlyList<string> Parts { get; }
    public override IReadOnlyList<string> OtherFiles { get; }
    /// <inheritdoc cref="ModelFiles.NotOfModel"/>
    public IReadOnlyList<string> FilesNotOfModel { get; }
    public override IReadOnlyList<string> Notes => [.. _disagreements, .. _notes];
    internal override IReadOnlyList<string> Disagreements => _disagreements;
    public override IReadOnlyList<string> FilesOf(string part) => part == HuggingFaceLayout.ModelPart ? _weights : _states.FilesOf(part) ?? throw Unknown(part);

    public override StateMap Load(string part)
    {
        if (part != HuggingFaceLayout.ModelPart)
            return LoadState(part, null);
        _damage?.Throw();
        return _state;
    }

    public override IReadOnlyList<int> RanksOf(string part) => _states.RanksOf(part);
    public override StateMap Load(string part, int rank) => LoadState(part, rank);
    internal override long? StepInside { get; }

    public static LoadedModel Open(IFileSource files, string folder, ModelFiles found, IReadOnlyCollection<string> names)
    {
        string path = folder.Length == 0 ? files.Root : folder;
        var model = new LoadedModel(found, new TrainerStates(files, folder, names));
        try
        {
            model.TakeWeights(files, folder, found, names);
            model.NoteUnread(found, names);
            model._notes.AddRange(TrainerFolders.Notes(path[(path.LastIndexOf('/') + 1)..], files.List(folder).Where(entry => entry.IsFolder).Select(entry => entry.Name), names));
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private void TakeWeights(IFileSource files, string folder, ModelFiles found, IReadOnlyCollection<string> names)
    {
        try
        {
            if (found.Weights is { } single)
                Take(OpenWeights(files, StorePath.Join(folder, single), single));
            else if (found.Index is { } index)
                TakeShards(files, folder, index, names);
            else
                TakeAll(files, folder, found.Shards);
            if (found.Others.Contains(ModelFiles.Config, StringComparer.Ordinal))
                TieByConfig(files, StorePath.Join(folder, ModelFiles.Config));
        }
        // Whoever asks for the weights hears of it, and the other parts can be read.
        catch (Exception e) when (_states.Parts.Count > 0 && e is CheckpointException and not CopyChangedException or IOException or UnauthorizedAccessException)
        {
            _damage = ExceptionDispatchInfo.Capture(e);
        }
    }

    private void TakeShards(IFileSource files, string folder, string indexName, IReadOnlyCollection<string> names)
    {
        string path = StorePath.Join(folder, indexName);
        ShardIndex index = ShardIndex.Read(files, path);
        // All names before the first file: an index that lies costs no opening.
        foreach ((string tensor, string file) in index.FileOfTensor)
        {
            if (!names.Contains(file, StringComparer.Ordinal))
                throw new CorruptHuggingFaceException(HuggingFaceFault.MissingShard, path, $"the shard of '{tensor}' is missing", $"a file {file}", "none", tensor);
        }
        var opened = new Dictionary<string, WeightsFile>(StringComparer.Ordinal);
        foreach (string file in index.FileOfTensor.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
            opened.Add(file, OpenWeights(files, StorePath.Join(folder, file), file));
        foreach ((string tensor, string file) in index.FileOfTensor)
        {
            if (opened[file].Tensors.ContainsKey(tensor))
                continue;
            string? other = opened.Where(o => o.Value.Tensors.ContainsKey(tensor)).Select(o => o.Key).FirstOrDefault();
            throw other is not null
                ? new CorruptHuggingFaceException(HuggingFaceFault.TensorElsewhere, path, $"'{tensor}' is not where the index says", file, other, tensor)
                : new CorruptHuggingFaceException(HuggingFaceFault.MissingTensor, path, $"'{tensor}' is in no shard", $"it in {file}", "none", tensor);
        }
        List<string> unnamed = [];
        foreach ((string file, WeightsFile weights) in opened)
        {
            foreach (string tensor in weights.Tensors.Keys)
            {
                if (!index.FileOfTensor.TryGetValue(tensor, out string? said))
                    unnamed.Add(tensor);
                else if (said != file)
                    throw new CorruptHuggingFaceException(HuggingFaceFault.ExtraTensor, path, $"{file} holds '{tensor}', which the index finds elsewhere", said, file, tensor);
            }
            TakeOnce(weights, path, file);
        }
        if (unnamed.Count > 0)
            _disagreements.Add($"read though {indexName} does not name them: {Few(unnamed)}");
    }

    // Their names count them, and each file tells what it holds.
    private void TakeAll(IFileSource files, string folder, IReadOnlyList<string> shards)
    {
        foreach (string file in shards)
            TakeOnce(OpenWeights(files, StorePath.Join(folder, file), file), StorePath.Join(folder, file), file);
        _disagreements.Add($"there is no index of the {shards.Count} files, which transformers needs; all of them are read, as their names count them");
    }

    private void NoteUnread(ModelFiles found, IReadOnlyCollection<string> names)
    {
        string[] unread = [.. names.Where(name => ModelFiles.IsWeights(name) && name != found.Index && !_weights.Contains(name) && !found.NotOfModel.Contains(name, StringComparer.Ordinal)).Order(StringComparer.Ordinal)];
        if (unread.Length > 0)
            _disagreements.Add($"{found.Weights ?? found.Index ?? found.Shards[0]} is read, as transformers does; not read: {Few(unread)}");
        if (_states.Hidden.Count > 0)
            _disagreements.Add($"not read, because another file holds the same part: {Few(_states.Hidden)}");
        // accelerate numbers the models of a job that trains several.
        string[] further = [.. found.NotOfModel.Where(static name => name.StartsWith("model_", StringComparison.Ordinal) || name.StartsWith("pytorch_model_", StringComparison.Ordinal))];
        if (further.Length > 0)
            _notes.Add($"the weights of other models are not read: {Few(further)}; give such a file by itself");
        if (found.Variant.Length > 0)
            _notes.Add($"the variant '{found.Variant}' is read, for there are no weights without one");
        if (found.IsAdapter)
            _notes.Add("these are the weights of an adapter; those of the model that it changes are elsewhere");
    }

    private void TakeOnce(WeightsFile weights, string path, string file)
    {
        if (weights.Tensors.Keys.FirstOrDefault(_state.ContainsKey) is { } twice)
            throw new CorruptHuggingFaceException(HuggingFaceFault.ExtraTensor, path, $"{file} holds '{twice}', which another file holds too", "each tensor in one file", twice, twice);
        Take(weights);
    }

    private static string Few(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(MostNames).Select(CorruptHuggingFaceException.Shorten)) + (names.Count > MostNames ? $" and {names.Count - MostNames} more" : "");

    private WeightsFile OpenWeights(IFileSource files, string path, string name)
    {
        _weights.Add(name);
        if (name.EndsWith(".bin", StringComparison.Ordinal))
            return new WeightsFile(TensorsOf(Keep(TorchFile.Open(files, path))), new Dictionary<string, string>(StringComparer.Ordinal));
        SafetensorsFile file = Keep(SafetensorsFile.Open(files, path));
        ShardingInfo.RequireWhole(file);
        return new WeightsFile(file.Tensors, file.Metadata);
    }

    private static OrderedDictionary<string, StateTensor> TensorsOf(TorchFile file)
    {
        var tensors = new OrderedDictionary<string, StateTensor>(StringComparer.Ordinal);
        if (file.Root is not TorchMap map)
            throw NotTensors(file.Path, file.Root.ToString()!);
        foreach ((TorchValue key, TorchValue value) in map)
        {
            if ((key as TorchScalar)?.Value is not string name || value is not TorchTensorValue tensor || !tensors.TryAdd(name, tensor.Data))
                throw NotTensors(file.Path, $"'{key}': {value}");
        }
        return tensors;
    }

    private static CorruptHuggingFaceException NotTensors(string path, string found) =>
        new(HuggingFaceFault.NotTensors, path, "it is no map of tensors", "tensors under names", found);

    private void Take(WeightsFile weights)
    {
        foreach ((string name, StateTensor tensor) in weights.Tensors)
            _state.Add(name, tensor);
        foreach ((string tied, string name) in weights.Metadata)
        {
            if (!_state.ContainsKey(tied) && weights.Tensors.TryGetValue(name, out StateTensor? tensor))
                _state.Add(tied, tensor);
        }
    }

    // transformers leaves the head out, and ties it again when the configuration says so.
    private void TieByConfig(IFileSource files, string path)
    {
        if (_state.ContainsKey(Head) || !_state.TryGetValue(Embeddings, out StateNode? embeddings))
            return;
        try
        {
            using JsonDocument config = JsonDocument.Parse(PythonJson.Plain(SmallFile.Read(files, path, LargestConfig)));
            if (config.RootElement.ValueKind == JsonValueKind.Object && config.RootElement.TryGetProperty("tie_word_embeddings", out JsonElement tie) && tie.ValueKind == JsonValueKind.True)
                _state.Add(Head, embeddings);
        }
        catch (JsonException e)
        {
            throw new CorruptCheckpointException($"'{path}' is not JSON: {e.Message}", e) { Path = path };
        }
    }

    private StateMap LoadState(string part, int? rank)
    {
        if (!_loaded.TryGetValue((part, rank), out StateMap? state))
        {
            LoadedTorchState opened = Keep(_states.Open(part, rank) ?? throw Unknown(part));
            _notes.AddRange(opened.Notes.Select(note => $"{part}: {note}"));
            _loaded.Add((part, rank), state = TrainerStates.StateOf(opened));
        }
        return state;
    }

    private KeyNotFoundException Unknown(string part) => new($"There is no part '{part}' in this form. The parts are: {string.Join(", ", Parts)}.");

    private sealed record WeightsFile(IReadOnlyDictionary<string, StateTensor> Tensors, IReadOnlyDictionary<string, string> Metadata);
}
