using System.Text.RegularExpressions;
using Cairn.State;

namespace Cairn.Layouts.PyTorch.ModelParallel;

/// <summary>
/// What a job with DeepSpeed says in its files about how tensor-parallel ranks share its parameters: <c>universal_checkpoint_info</c>, from which DeepSpeed makes a
/// <see href="https://github.com/deepspeedai/DeepSpeed/blob/master/deepspeed/checkpoint/ds_to_universal.py">universal checkpoint</see>. What no pattern fits is cut along the first dimension.
/// </summary>
internal sealed class UniversalPatterns
{
    /// <summary>Its key in the files of the model.</summary>
    public const string Key = "universal_checkpoint_info";

    private const int MostPatterns = 200, LongestPattern = 300;

    private readonly (string Key, TensorCut? Cut)[] _lists =
    [
        ("tp_replicated_parameter_patterns", TensorCut.Whole),
        // Ranks that were to have the same and drifted apart: no rank has it.
        ("parameter_to_average_patterns", null),
        ("parameter_with_row_parallelism_patterns", TensorCut.Along(1)),
        ("parameter_with_2_sub_params_cat_dim_0", TensorCut.Along(0, 2)),
        ("vocabulary_parameter_patterns", TensorCut.Along(0)),
    ];

    private readonly List<(Regex Pattern, TensorCut? Cut)> _patterns = [];

    // Whether some are cut in a form that is not read, so that no name is safe.
    private readonly bool _isUntold;

    private UniversalPatterns(StateMap info)
    {
        List<(string Pattern, TensorCut? Cut)> said = [];
        // Parameters of several parts of other sizes, whose form differs from version to version.
        foreach (StateNode of in info.GetValueOrDefault("parameter_with_sub_params") as StateList ?? [])
        {
            StateMap? shape = (of as StateMap)?.GetValueOrDefault("state") as StateMap ?? of as StateMap;
            int before = said.Count;
            said.AddRange(Texts(shape?.GetValueOrDefault("patterns")).Select(pattern => (pattern, (TensorCut?)null)));
            _isUntold |= said.Count == before;
        }
        foreach ((string key, TensorCut? cut) in _lists)
            said.AddRange(Texts(info.GetValueOrDefault(key)).Select(pattern => (pattern, cut)));
        if (said.Count > MostPatterns)
            throw new CorruptCheckpointException($"'{Key}' has more than {MostPatterns} patterns, and no program has so many.");
        _patterns.AddRange(said.Select(of => (Compile(of.Pattern), of.Cut)));
    }

    /// <summary>What a rank's file says; <see langword="null"/> when it says nothing.</summary>
    /// <exception cref="CorruptCheckpointException">A pattern is none.</exception>
    public static UniversalPatterns? In(StateMap rank) => rank.GetValueOrDefault(Key) is StateMap { Count: > 0 } info ? new UniversalPatterns(info) : null;

    /// <summary>How ranks share a parameter; <see langword="null"/> when they may differ, or the patterns do not tell.</summary>
    public TensorCut? CutOf(string name)
    {
        foreach ((Regex pattern, TensorCut? cut) in _patterns)
        {
            if (pattern.IsMatch(name))
                return cut;
        }
        return _isUntold ? null : TensorCut.Along(0);
    }

    private static IEnumerable<string> Texts(StateNode? list) => (list as StateList ?? []).OfType<StateScalar>().Select(item => item.Value).OfType<string>();

    // A pattern comes from a file: it is matched in a time that its length and the name's bound.
    private static Regex Compile(string pattern)
    {
        try
        {
            if (pattern.Length <= LongestPattern)
                return new Regex($@"\A(?:{pattern})", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeSpan.FromMinutes(1));
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
        }
        throw new CorruptCheckpointException($"'{Key}' has a pattern that cannot be matched: {CorruptPart.Shorten(pattern)}");
    }
}
