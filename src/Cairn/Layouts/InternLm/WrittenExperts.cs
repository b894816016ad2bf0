using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// A model of experts as InternEvo saves it on the only rank of a world: each expert of each layer stands in a file of its own, and the model's file has the rest
/// (<c>try_save_moe_checkpoint</c> in <c>internlm/checkpoint/components.py</c>). Its loader asks for each of these files.
/// </summary>
/// <param name="Others">The weights that are of no expert.</param>
/// <param name="Files">The experts' files, by name.</param>
internal sealed record WrittenExperts(StateMap Others, IReadOnlyList<KeyValuePair<string, StateMap>> Files)
{
    private const string DenseLayers = "first_k_dense_replace";

    /// <summary>Whether a parameter is one of an expert.</summary>
    public static bool IsExpert(string name) => InternLmWeights.ExpertOf(name) is not null;

    /// <summary>The experts of a model; <see langword="null"/> when it has none.</summary>
    /// <param name="model">The part <c>model</c>.</param>
    /// <param name="configuration">The model's configuration, where there is one.</param>
    public static WrittenExperts? Of(StateMap model, StateMap? configuration)
    {
        if (!model.Keys.Any(IsExpert))
            return null;
        StateMap others = [];
        var layers = new Dictionary<string, int>(StringComparer.Ordinal);
        var files = new SortedDictionary<(int Layer, int Expert), StateMap>();
        // Newer versions count from behind the first layers, which have no experts.
        int before = configuration is not null && configuration.TryGetValue(DenseLayers, out StateNode? node) && node is StateScalar { Value: long dense and >= 0 and < int.MaxValue } ? (int)dense : 0;
        foreach ((string name, StateNode weight) in model)
        {
            if (InternLmWeights.ExpertOf(name) is not { } expert)
            {
                others.Add(name, weight);
                continue;
            }
            string module = name[..name.IndexOf(InternLmWeights.ExpertPath, StringComparison.Ordinal)];
            if (!layers.TryGetValue(module, out int layer))
                layers.Add(module, layer = before + layers.Count);
            if (!files.TryGetValue((layer, expert), out StateMap? file))
                files.Add((layer, expert), file = []);
            file.Add(name, weight);
        }
        return new WrittenExperts(others, [.. files.Select(file => KeyValuePair.Create(new InternLmFileName(InternLmFileKind.Expert) { Layer = file.Key.Layer, Expert = file.Key.Expert, Tp = 0 }.ToString(), file.Value))]);
    }
}
