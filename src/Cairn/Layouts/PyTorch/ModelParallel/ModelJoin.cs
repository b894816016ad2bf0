using System.Globalization;
using System.Text.RegularExpressions;
using Cairn.State;

namespace Cairn.Layouts.PyTorch.ModelParallel;

/// <summary>Puts together what model-parallel ranks have of one model: flat maps of dotted names. Nothing is read but what no name tells about.</summary>
/// <param name="path">The folder, for errors.</param>
internal sealed partial class ModelJoin(string path)
{
    // More than any job has.
    private const int MostLayers = 1_000_000;

    // A map that is shared stands at several places, each with a name as long as the way to it.
    private const long FreeCharacters = 1 << 17, CharactersPerName = 256;

    private readonly Dictionary<(StateTensor First, TensorCut Cut), StateTensor> _joined = [];

    /// <summary>Tensors whose names did not tell, and of which all ranks have the same bytes.</summary>
    public List<string> FoundAlike { get; } = [];

    /// <summary>All leaves of a state by dotted names. A name that stands in a nested map as well is taken from where it stands whole: ZeRO's weights as they were trained.</summary>
    public static StateMap Flatten(StateMap state)
    {
        StateMap flat = [];
        long characters = 0;
        foreach ((string key, StateNode node) in state)
        {
            if (node is not StateMap)
                flat.Add(key, node);
        }
        Add(state, "", 0);
        return flat;

        void Add(StateMap map, string prefix, int depth)
        {
            foreach ((string key, StateNode node) in map)
            {
                characters += prefix.Length + key.Length;
                if (characters > FreeCharacters + (CharactersPerName * flat.Count))
                    throw new CorruptCheckpointException("The names in a state are longer than any program's, or stand at too many places: the file was damaged, or made to harm.");
                if (node is StateMap inner && depth < ValuesWriter.MaxDepth)
                    Add(inner, $"{prefix}{key}.", depth + 1);
                else if (!flat.ContainsKey(prefix + key))
                    flat.Add(prefix + key, node);
            }
        }
    }

    /// <summary>The shapes of all tensors, by name.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<long>> Shapes(StateMap flat) =>
        flat.Where(entry => entry.Value is StateTensor).ToDictionary(entry => entry.Key, entry => ((StateTensor)entry.Value).Shape, StringComparer.Ordinal);

    /// <summary>What tensor-parallel ranks have, joined.</summary>
    /// <param name="ranks">Of each rank, by its number.</param>
    /// <param name="cutOf">How ranks share a tensor; <see langword="null"/> when it is not known.</param>
    /// <exception cref="CheckpointException">How a tensor is shared cannot be told.</exception>
    /// <exception cref="CorruptCheckpointException">The pieces contradict each other.</exception>
    public StateMap Tensors(IReadOnlyList<StateMap> ranks, Func<string, TensorCut?> cutOf)
    {
        if (ranks.Count == 1)
            return ranks[0];
        StateMap whole = [];
        foreach ((string name, StateNode node) in ranks[0])
        {
            StateNode[] pieces = [.. ranks.Select((rank, number) => rank.TryGetValue(name, out StateNode? piece) ? piece : throw Bad($"tensor-parallel rank {number} has no '{name}'"))];
            whole.Add(name, node is StateTensor && pieces.All(piece => piece is StateTensor) ? Joined(name, [.. pieces.Cast<StateTensor>()], cutOf(name)) : node);
        }
        for (int rank = 1; rank < ranks.Count; rank++)
        {
            if (ranks[rank].Keys.FirstOrDefault(name => !ranks[0].ContainsKey(name)) is { } own)
                throw Bad($"tensor-parallel rank {rank} has '{own}', and rank 0 does not");
        }
        return whole;
    }

    /// <summary>A tensor of its pieces.</summary>
    /// <inheritdoc cref="Tensors" path="/exception"/>
    public StateTensor Joined(string name, IReadOnlyList<StateTensor> pieces, TensorCut? known)
    {
        TensorCut cut = known ?? (pieces.Skip(1).All(piece => piece.Type == pieces[0].Type && piece.Shape.SequenceEqual(pieces[0].Shape) && TensorBytes.AreSame(pieces[0], piece)) ? TensorCut.Whole
            : throw new CheckpointException($"How {pieces.Count} tensor-parallel ranks share '{name}' in {path} is not known by its name, and their pieces differ. Give the file of one rank, or write the whole model with the program's own tools first.") { Path = path });
        if (known is null)
            FoundAlike.Add(name);
        try
        {
            // What is tied in each rank is tied in the whole.
            return _joined.TryGetValue((pieces[0], cut), out StateTensor? joined) ? joined : _joined[(pieces[0], cut)] = cut.Join(pieces);
        }
        catch (ArgumentException e)
        {
            throw Bad($"'{name}': {e.WithoutParameter().TrimEnd('.')}");
        }
        catch (OverflowException)
        {
            throw Bad($"'{name}' is larger than any tensor");
        }
    }

    /// <summary>What pipeline stages have, one behind the other: each numbers its own layers from 0.</summary>
    /// <exception cref="CorruptCheckpointException">A stage lacks a layer.</exception>
    public StateMap Stages(IReadOnlyList<StateMap> stages)
    {
        if (stages.Count == 1)
            return stages[0];
        StateMap whole = [];
        Dictionary<string, long> begins = new(StringComparer.Ordinal);
        for (int stage = 0; stage < stages.Count; stage++)
        {
            var numbers = new Dictionary<string, SortedSet<long>>(StringComparer.Ordinal);
            foreach (Match match in stages[stage].Keys.Select(name => Layer().Match(name)).Where(match => match.Success))
                (numbers.TryGetValue(match.Groups["before"].Value, out SortedSet<long>? of) ? of : numbers[match.Groups["before"].Value] = []).Add(Number(match));
            foreach ((string before, SortedSet<long> of) in numbers)
            {
                // Some versions number the layers of all stages.
                long begin = begins.GetValueOrDefault(before), first = of.Min;
                if ((first != 0 && first != begin) || of.Max - first + 1 != of.Count || of.Max > MostLayers)
                    throw Bad($"stage {stage} has the layers {first} to {of.Max} of '{before}layers', and {of.Count} of them are there");
            }
            foreach ((string name, StateNode node) in stages[stage])
            {
                string own = Layer().Match(name) is { Success: true } match && numbers[match.Groups["before"].Value].Min == 0
                    ? $"{match.Groups["before"].Value}layers.{(begins.GetValueOrDefault(match.Groups["before"].Value) + Number(match)).ToString(CultureInfo.InvariantCulture)}.{name[(match.Index + match.Length)..]}" : name;
                if (!whole.TryGetValue(own, out StateNode? earlier))
                    whole.Add(own, node);
                // The last stage has a copy of the embedding, to compute with it.
                else if (earlier is StateTensor one && node is StateTensor other && !one.Shape.SequenceEqual(other.Shape))
                    throw Bad($"two stages have '{own}', one of the shape [{string.Join(", ", one.Shape)}] and one of [{string.Join(", ", other.Shape)}]");
            }
            foreach ((string before, SortedSet<long> of) in numbers)
                begins[before] = of.Min == 0 ? begins.GetValueOrDefault(before) + of.Count : of.Max + 1;
        }
        return whole;
    }

    /// <summary>What expert-parallel ranks have: each numbers its own experts from 0, and has the same of all the rest.</summary>
    /// <exception cref="CheckpointException">Which experts are whose cannot be told.</exception>
    /// <exception cref="CorruptCheckpointException">A rank lacks an expert.</exception>
    public StateMap Experts(IReadOnlyList<StateMap> ranks)
    {
        if (ranks.Count == 1)
            return ranks[0];
        int[] counts = [.. ranks.Select(rank => rank.Keys.Select(name => Expert().Match(name)).Where(match => match.Success).Select(match => (int)Number(match) + 1).DefaultIfEmpty(0).Max())];
        if (counts.Any(count => count != counts[0]))
            throw Bad($"its expert-parallel ranks have {string.Join(", ", counts.Distinct())} experts each");
        StateMap whole = [];
        foreach ((string name, StateNode node) in ranks[0])
        {
            if (Expert().Match(name) is not { Success: true } match)
            {
                if (name.Contains(".experts.", StringComparison.Ordinal) && !name.EndsWith("._extra_state", StringComparison.Ordinal))
                    throw new CheckpointException($"Which of {ranks.Count} expert-parallel ranks has which experts of '{name}' in {path} is not known by its name. Give the file of one rank, or write the whole model with the program's own tools first.") { Path = path };
                whole.Add(name, node);
                continue;
            }
            for (int rank = 0; rank < ranks.Count; rank++)
            {
                Group number = match.Groups["number"];
                string own = $"{name[..number.Index]}{((long)rank * counts[0] + Number(match)).ToString(CultureInfo.InvariantCulture)}{name[(number.Index + number.Length)..]}";
                whole.Add(own, ranks[rank].TryGetValue(name, out StateNode? expert) ? expert : throw Bad($"expert-parallel rank {rank} has no '{name}'"));
            }
        }
        return whole;
    }

    private static long Number(Match match) => long.Parse(match.Groups["number"].ValueSpan, CultureInfo.InvariantCulture);

    private CorruptCheckpointException Bad(string what) => new($"The model in {path} cannot be put together: {what}. Look whether all files are of one save, or take another checkpoint.") { Path = path };

    [GeneratedRegex(@"^(?<before>(.*?\.)?)layers\.(?<number>[0-9]{1,9})\.", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex Layer();

    [GeneratedRegex(@"\.experts\.(local_experts\.(?<number>[0-9]{1,6})\.|linear_fc[12]\.(weight|bias)(?<number>[0-9]{1,6})\z)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex Expert();
}
