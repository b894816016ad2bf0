using Cairn.Formats.Torch;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.InternLm;

/// <summary>A checkpoint in the layout <c>internlm</c> that Cairn wrote: its <c>cairn.pt</c> says where each part stands and what the other files leave out.</summary>
internal sealed class IndexedCheckpoint : LoadedCheckpoint
{
    private const string Model = "model";

    private readonly IFileSource _files;
    private readonly string _folder;
    private readonly Dictionary<string, string> _places = new(StringComparer.Ordinal);
    private readonly TorchMap? _optimizer;
    private readonly string[] _experts;

    /// <exception cref="CorruptCheckpointException">The index is bad.</exception>
    public IndexedCheckpoint(IFileSource files, string folder)
    {
        (_files, _folder) = (files, folder);
        TorchMap index = Map(Read(InternLmPlan.IndexName), "it");
        if ((index.Find(InternLmPlan.FormatKey) as TorchScalar)?.Value is not long format || format is not (InternLmPlan.Format or InternLmPlan.FormatWithExperts))
            throw Bad(InternLmPlan.IndexName, "its format is not known: a newer Cairn wrote it, or it is damaged");
        TorchMap places = Map(index.Find(InternLmPlan.FilesKey), $"'{InternLmPlan.FilesKey}'");
        var parts = new List<string>();
        foreach (TorchValue part in index.Find(InternLmPlan.PartsKey) as TorchList ?? throw Bad(InternLmPlan.IndexName, $"'{InternLmPlan.PartsKey}' is no list"))
        {
            // A name is a name in this folder: an index must not make anybody read elsewhere.
            if ((part as TorchScalar)?.Value is not string name || (places.Find(part) as TorchScalar)?.Value is not string file || !IsFileName(file) || !_places.TryAdd(name, file))
                throw Bad(InternLmPlan.IndexName, "a part has no file, or stands twice");
            parts.Add(name);
        }
        Parts = parts;
        _experts = [.. (index.Find(InternLmPlan.ExpertsKey) as TorchList ?? new TorchList(TorchListKind.List)).Select(name =>
            (name as TorchScalar)?.Value is string file && IsFileName(file) ? file : throw Bad(InternLmPlan.IndexName, "an expert has no file"))];
        if (index.Find(InternLmPlan.OptimizerKey) is { } optimizer)
            _optimizer = Map(optimizer, $"'{InternLmPlan.OptimizerKey}'");
    }

    public override IReadOnlyList<string> Parts { get; }

    public override IReadOnlyList<string> FilesOf(string part) => IsFlattened(part) ? [Place(part), InternLmPlan.IndexName] : part == Model ? [Place(part), .. _experts] : [Place(part)];

    public override StateMap Load(string part)
    {
        string file = Place(part);
        TorchValue root = Read(file);
        StateNode state = IsFlattened(part) ? Rebuild(_optimizer!, Map(root, "it"), file) : TorchTree.ToState(root);
        StateMap map = state as StateMap ?? throw Bad(file, "it holds no map");
        return part == Model && _experts.Length > 0 ? WithExperts(map) : map;
    }

    private StateMap WithExperts(StateMap model)
    {
        foreach (string file in _experts)
        {
            foreach ((string name, StateNode weight) in TorchTree.ToState(Read(file)) as StateMap ?? throw Bad(file, "it holds no map"))
            {
                if (model.ContainsKey(name))
                    throw Bad(file, $"it holds '{name}', which stands in another file too");
                model.Add(name, weight);
            }
        }
        return model;
    }

    private bool IsFlattened(string part) => part == "optimizer" && _optimizer is not null;

    private string Place(string part) => _places.TryGetValue(part, out string? file) ? file : throw new KeyNotFoundException($"The checkpoint has no part '{part}'.");

    private TorchValue Read(string name) => _files.FileExists(PathOf(name)) ? Keep(TorchFile.Open(_files, PathOf(name))).Root
        : throw Bad(name, $"it is missing, and {InternLmPlan.IndexName} names it");

    private string PathOf(string name) => StorePath.Join(_folder, name);

    private static bool IsFileName(string name) => name.Length > 0 && name.AsSpan().IndexOfAny('/', '\\', '\0') < 0 && name is not ("." or "..");

    // The remainder's tuples are places in flattened tensors; everything else is as it was.
    private StateMap Rebuild(TorchMap remainder, TorchMap optimizer, string file)
    {
        TorchMap flats = Map(Map(optimizer.Find("base_optim_states"), "'base_optim_states'").Find("state"), "'state' of it");
        StateMap whole = [];
        foreach ((TorchValue key, TorchValue value) in remainder)
        {
            string name = Text(key);
            if (name != FlattenedOptimizer.State)
            {
                whole.Add(name, TorchTree.ToState(value));
                continue;
            }
            StateMap state = [];
            foreach ((TorchValue parameter, TorchValue fields) in Map(value, $"'{name}'"))
            {
                if (fields is not TorchMap map)
                {
                    state.Add(Text(parameter), TorchTree.ToState(fields));
                    continue;
                }
                StateMap values = [];
                foreach ((TorchValue field, TorchValue entry) in map)
                    values.Add(Text(field), entry is TorchList { Kind: TorchListKind.Tuple } place ? Piece(flats, field, place, file) : TorchTree.ToState(entry));
                state.Add(Text(parameter), values);
            }
            whole.Add(name, state);
        }
        return whole;
    }

    private StateTensor Piece(TorchMap flats, TorchValue field, TorchList place, string file)
    {
        if (place is [TorchScalar { Value: long } index, TorchScalar { Value: long offset }, TorchList sizes] && (flats.Find(index) as TorchMap)?.Find(field) is TorchTensorValue flat)
        {
            long[] shape = [.. sizes.Select(size => (size as TorchScalar)?.Value as long? ?? -1)];
            try
            {
                return flat.Data.Narrow(0, offset, shape.Aggregate(1L, (product, size) => checked(product * size))).Reshape(shape);
            }
            catch (Exception e) when (e is ArgumentException or OverflowException)
            {
                throw Bad(file, $"'{field}' does not hold what {InternLmPlan.IndexName} says ({e.Message})", e);
            }
        }
        throw Bad(file, $"it has no '{field}' where {InternLmPlan.IndexName} says");
    }

    private TorchMap Map(TorchValue? value, string what) => value as TorchMap ?? throw Bad(InternLmPlan.IndexName, $"{what} is no dict");

    private string Text(TorchValue key) => (key as TorchScalar)?.Value as string ?? throw Bad(InternLmPlan.IndexName, $"a name is {key}");

    private CorruptCheckpointException Bad(string name, string what, Exception? cause = null) =>
        new($"{PathOf(name)} is no good part of a checkpoint: {what}. Restore the file from a copy, or resume from another checkpoint.", cause) { Path = PathOf(name) };
}
