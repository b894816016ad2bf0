using Cairn.Formats.Torch;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.PyTorch.ModelParallel;

/// <summary>
/// A <see href="https://www.deepspeed.ai/tutorials/universal-checkpointing/">universal checkpoint</see> of DeepSpeed: a folder for each parameter (<c>zero/NAME</c>) with files of its weights in full precision and of each field of the optimizer.
/// They may be many, and only some are open at once.
/// </summary>
internal sealed class LoadedUniversal : LoadedByPart
{
    /// <summary>The folder of the parameters.</summary>
    public const string Folder = "zero";

    private const string Weight = "fp32", Extension = ".pt", Parameter = "param", OptimizerFile = "optimizer_state.pt", Module = "module", Groups = "param_groups", OptimizerPart = "optimizer";
    private const int MostOpen = 128;
    private static readonly TorchReadOptions Options = new() { AllowOpaque = true };

    private readonly IFileSource _files;
    private readonly string _path;
    private readonly OpenFiles _open;
    private readonly List<string> _parameters = [];
    private readonly List<string> _notes = [];
    private LoadedTorchState? _rest;

    private LoadedUniversal(IFileSource files, RankFolder folder)
    {
        (_files, _path) = (files, folder.Path);
        _open = Keep(new OpenFiles(files, folder.Path, MostOpen));
    }

    private void Fill(RankFolder folder)
    {
        _parameters.AddRange(_files.List(Within(Folder)).Where(entry => entry.IsFolder).Select(entry => entry.Name).Order(StringComparer.Ordinal));
        _rest = folder.Files.Count == 0 ? null : Keep(LoadedTorchState.OpenFile(_files, Within(folder.Files[0]), folder.Files[0], []));
        Add(PartSplit.Model, [.. FilesOfField(name => name == Weight), .. folder.Files.Take(1)], () => Model(folder));
        if (FilesOfField(name => name != Weight).Any())
            Add(OptimizerPart, [.. FilesOfField(name => name != Weight)], Optimizer);
        StateMap others = new() { [Module] = new StateMap() };
        foreach ((string key, StateNode node) in _rest?.Root as StateMap ?? [])
        {
            if (key is not (Module or OptimizerPart or UniversalPatterns.Key))
                others.Add(key, node);
        }
        foreach ((string part, StateMap state) in PartSplit.Of(others))
        {
            if (!HasPart(part))
                Add(part, [folder.Files[0]], () => state);
        }
    }

    /// <inheritdoc cref="PartSplit.StepIn"/>
    internal override long? StepInside => HasPart("context") ? PartSplit.StepIn(new Dictionary<string, StateMap>(StringComparer.Ordinal) { ["context"] = Load("context") }) : null;

    public override IReadOnlyList<string> Notes => [.. _notes, .. _rest?.Notes ?? []];

    /// <summary>Opens a step.</summary>
    /// <exception cref="CorruptCheckpointException">A file is missing, or is not what it must be.</exception>
    public static LoadedUniversal Open(IFileSource files, RankFolder folder)
    {
        var loaded = new LoadedUniversal(files, folder);
        try
        {
            loaded.Fill(folder);
            return loaded;
        }
        catch
        {
            loaded.Dispose();
            throw;
        }
    }

    /// <summary>Whether a folder holds one.</summary>
    public static bool IsIn(IFileSource files, string path)
    {
        string folder = StorePath.Join(path, Folder);
        return files.FolderExists(folder) && files.List(folder).Any(entry => entry.IsFolder && files.FileExists($"{folder}/{entry.Name}/{Weight}{Extension}"));
    }

    /// <summary>The first parameter without its weights; <see langword="null"/> when all have them.</summary>
    public static string? MissingIn(IFileSource files, string path)
    {
        string folder = StorePath.Join(path, Folder);
        return files.List(folder).Where(entry => entry.IsFolder && !files.FileExists($"{folder}/{entry.Name}/{Weight}{Extension}")).Select(entry => entry.Name).Order(StringComparer.Ordinal).FirstOrDefault();
    }

    private StateMap Model(RankFolder folder)
    {
        StateMap model = [];
        foreach (string name in _parameters)
            model.Add(name, Read($"{Folder}/{name}/{Weight}{Extension}") as StateTensor ?? throw Bad($"{Folder}/{name}/{Weight}{Extension}", "it holds no tensor"));
        // Buffers, frozen and tied weights. Of several ranks each has its own part of these.
        if (folder.ModelRanks == 1 && (_rest?.Root as StateMap)?.GetValueOrDefault(Module) is StateMap module)
        {
            foreach ((string name, StateNode node) in ModelJoin.Flatten(module))
            {
                if (!model.ContainsKey(name))
                    model.Add(name, node);
            }
        }
        else if (folder.ModelRanks > 1)
            _notes.Add($"buffers and weights that are not trained are not read: {folder.ModelRanks} model-parallel ranks have them");
        return model;
    }

    private StateMap Optimizer()
    {
        StateMap state = [];
        foreach (string name in _parameters)
        {
            StateMap fields = [];
            foreach (string field in Fields(name).Where(field => field != Weight))
                fields.Add(field, Read($"{Folder}/{name}/{field}{Extension}"));
            state.Add(name, fields);
        }
        StateMap? shared = _files.FileExists(Within($"{Folder}/{OptimizerFile}")) ? Read($"{Folder}/{OptimizerFile}") as StateMap : null;
        var groups = shared?.GetValueOrDefault(Groups) as StateList ?? [];
        // Which parameters are in which group no file says.
        if (groups is [StateMap only])
            only["params"] = new StateList(_parameters.Select(name => (StateNode)name));
        else if (groups.Count > 1)
            _notes.Add($"which parameters are in which of the {groups.Count} groups of the optimizer the files do not say");
        return new StateMap { ["state"] = state, [Groups] = groups };
    }

    private StateNode Read(string name)
    {
        if (!_files.FileExists(Within(name)))
            throw Bad(name, "it is missing");
        TorchFile file = Keep(TorchFile.Open(_open[name], Within(name), Options));
        StateNode root = TorchTree.ToState(file.Root, []);
        file.ReleaseRoot();
        return root is StateMap map && map.TryGetValue(Parameter, out StateNode? tensor) ? tensor : root;
    }

    private IEnumerable<string> Fields(string parameter) => _files.List(Within($"{Folder}/{parameter}")).Where(entry => !entry.IsFolder && entry.Name.EndsWith(Extension, StringComparison.Ordinal))
        .Select(entry => entry.Name[..^Extension.Length]).Order(StringComparer.Ordinal);

    private IEnumerable<string> FilesOfField(Func<string, bool> isTaken) => _parameters.SelectMany(name => Fields(name).Where(isTaken).Select(field => $"{Folder}/{name}/{field}{Extension}"));

    private string Within(string name) => StorePath.Join(_path, name);

    private CorruptCheckpointException Bad(string name, string what) => new($"{Within(name)} cannot be used: {what}. The conversion was not ended, or files were lost: make the universal checkpoint again.") { Path = Within(name) };
}
