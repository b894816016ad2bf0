using Cairn.State;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>Compares the tensors of a module with those of a source, one tied group after another.</summary>
internal sealed class WeightMatch(LoadWeightsOptions options)
{
    private readonly List<string> _loaded = [], _missing = [], _unexpected = [], _left = [];
    private readonly List<Mismatch> _mismatched = [], _ignored = [];
    private readonly List<CastWeight> _cast = [];

    /// <summary>What is to be written: the name in the source, the module's tensor, under each of its names, and the source's in the module's type.</summary>
    public List<(string Found, IReadOnlyList<torch.Tensor> Tied, StateTensor Source)> Writes { get; } = [];

    /// <summary>Whether nothing may be written.</summary>
    public bool IsRefused => _mismatched.Count > 0 || (options.Strict && _missing.Count + _unexpected.Count > 0);

    /// <summary>Whether the module has names that the source lacks.</summary>
    public bool HasMissing => _missing.Count > 0;

    /// <summary>Whether a cast, which was not asked for, would make a tensor fit.</summary>
    public bool WouldFitCast { get; private set; }

    /// <summary>A tensor of the module under all its names.</summary>
    public void Add(IReadOnlyList<(string Name, torch.Tensor Tensor)> tied, StateMap saved)
    {
        string[] names = [.. tied.Select(entry => entry.Name)];
        torch.Tensor tensor = tied[0].Tensor;
        string[] wanted = [.. names.Where(IsWanted)];
        _left.AddRange(names.Except(wanted, StringComparer.Ordinal));
        (string Name, StateTensor Tensor)[] found = [.. wanted.Where(name => saved.TryGetValue(name, out StateNode? node) && node is StateTensor).Select(name => (name, (StateTensor)saved[name]))];
        foreach (string name in wanted)
        {
            if (saved.TryGetValue(name, out StateNode? node) && node is not StateTensor)
                _mismatched.Add(Mismatch.Of(name, tensor, node));
        }
        if (found.Length == 0)
        {
            _missing.AddRange(wanted.Where(name => !saved.ContainsKey(name)));
            return;
        }
        (string first, StateTensor source) = found[0];
        if (!source.Shape.SequenceEqual(tensor.shape))
        {
            if (options.IgnoreMismatched)
                _ignored.Add(Mismatch.Of(first, tensor, source));
            else
                _mismatched.Add(Mismatch.Of(first, tensor, source));
            return;
        }
        foreach ((string name, StateTensor other) in found.Skip(1))
        {
            if (!TensorBytes.AreSame(source, other))
            {
                _mismatched.Add(new Mismatch(name, $"the values of {first}, with which it is tied", "other values"));
                return;
            }
        }
        TensorType type = tensor.dtype.ToTensorType();
        if (source.Type != type)
        {
            bool canCast = FloatCast.CanCast(source.Type) && FloatCast.CanCast(type);
            WouldFitCast |= canCast && !options.Cast;
            if (!canCast || !options.Cast)
            {
                _mismatched.Add(Mismatch.Of(first, tensor, source));
                return;
            }
            _cast.Add(new CastWeight(first, source.Type, type));
            source = CastTensor.Of(source, type);
        }
        Writes.Add((first, [.. tied.Select(entry => entry.Tensor)], source));
        _loaded.AddRange(wanted);
    }

    /// <summary>What the source has beside the module's names.</summary>
    public void AddUnexpected(StateMap saved, IEnumerable<string> names)
    {
        HashSet<string> known = new(names, StringComparer.Ordinal);
        _unexpected.AddRange(saved.Keys.Where(name => !known.Contains(name) && IsWanted(name)));
    }

    /// <summary>The error that says all that does not fit.</summary>
    public StateMismatchException Refusal(string begin, string hint)
    {
        var problems = new RestoreProblems();
        foreach (string name in _missing)
            problems.AddMissing(name);
        foreach (string name in _unexpected)
            problems.AddUnexpected(name);
        foreach ((string name, string expected, string found) in _mismatched.Concat(_ignored))
            problems.AddMismatched(name, expected, found);
        List<string> lines = [begin];
        if (_missing.Count > 0)
            lines.Add($"{_missing.Count} missing: {LoadWeightsReport.Few(_missing)}.");
        if (_unexpected.Count > 0)
            lines.Add($"{_unexpected.Count} unexpected: {LoadWeightsReport.Few(_unexpected)}.");
        if (_mismatched.Count + _ignored.Count > 0)
            lines.Add($"{_mismatched.Count + _ignored.Count} do not fit: {LoadWeightsReport.Few(problems.Mismatched)}.");
        return new StateMismatchException(string.Join(' ', lines) + hint, problems);
    }

    /// <summary>What will have been done.</summary>
    public LoadWeightsReport Report(string source, List<string> notes) => new(source)
    {
        Loaded = _loaded, Missing = _missing, Unexpected = _unexpected, Left = _left, Cast = _cast, Mismatched = _ignored.ConvertAll(ignored => $"{ignored.Name} ({ignored.Expected} here, {ignored.Found} there)"), Notes = notes,
    };

    private bool IsWanted(string name) => (options.Take.Count == 0 || WeightNames.Fits(options.Take, name)) && !WeightNames.Fits(options.Leave, name);

    private readonly record struct Mismatch(string Name, string Expected, string Found)
    {
        public static Mismatch Of(string name, torch.Tensor tensor, StateNode found) =>
            new(name, TorchTensor.Describe(tensor.dtype.ToTensorType(), tensor.shape), SavedState.Describe(found));
    }
}
