using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// The files of experts, each of which holds one expert of one layer under a number that only InternEvo's saving has: the first layer of each pipeline stage gets
/// <c>stage * (layers // stages)</c>, and its further layers with experts the numbers behind it (<c>try_save_moe_checkpoint</c> in
/// <c>internlm/checkpoint/components.py</c>). Where stages have different numbers of layers, the numbers of one run into those of the next.
/// </summary>
internal sealed class ExpertFiles
{
    private const string MoeLayer = ".moe_layer.";

    private readonly InternLmFiles _files;
    private readonly InternLmFolder _folder;
    private readonly StageNames _stages;
    // Number in the files' names → the stages' layers that got it, by what stands before ".moe_layer." in their names.
    private readonly Dictionary<long, List<(int Stage, string Layer)>> _layers = [];

    /// <param name="files">The files.</param>
    /// <param name="folder">Their names.</param>
    /// <param name="stages">The names of the whole model.</param>
    /// <param name="own">What each rank's own file holds, under the names of its stage: gates tell which layers have experts.</param>
    public ExpertFiles(InternLmFiles files, InternLmFolder folder, StageNames stages, IEnumerable<(ModelRank Rank, IReadOnlyList<KeyValuePair<string, StateTensor>> Tensors)> own)
    {
        (_files, _folder, _stages) = (files, folder, stages);
        if (folder.Experts.Count == 0)
            return;
        var gated = own.GroupBy(rank => rank.Rank.Pp).SelectMany(stage => stage.First().Tensors
            .Where(tensor => tensor.Key.Contains(MoeLayer, StringComparison.Ordinal)).Select(tensor => LayerOf(tensor.Key)).Distinct(StringComparer.Ordinal)
            .Select((layer, place) => (Stage: stage.Key, Layer: layer, Number: (long)stage.Key * (stages.Layers / folder.Pp) + place))).ToList();
        if (gated.Count == 0)
            return;
        // Newer versions begin behind the first layers that have no experts (first_k_dense_replace).
        long before = folder.Experts.Min(file => file.Layer!.Value) - gated.Min(layer => layer.Number);
        foreach ((int stage, string layer, long number) in gated)
        {
            if (!_layers.TryGetValue(number + before, out List<(int, string)>? layers))
                _layers.Add(number + before, layers = []);
            layers.Add((stage, layer));
        }
    }

    /// <summary>The experts' weights, by the rank that has a part of them and pipeline stage.</summary>
    /// <param name="fused">Which parameters are trained as one.</param>
    /// <exception cref="CorruptCheckpointException">A file is bad, or some are missing.</exception>
    public List<RankTensors> Load(FusedParameters fused)
    {
        if (_folder.Experts.Count == 0)
            return [];
        if (_folder.IsIsp && !_folder.IsNamedByWeight && Math.Max(_folder.Tp, _folder.Wp) > 1)
            throw RankTensors.Bad(_files.Folder, "it has experts that were trained with ISP on several ranks, and their names do not say how these cut them");
        var experts = new Dictionary<ModelRank, RankTensors>();
        var found = new HashSet<(int Stage, string Layer)>();
        foreach (InternLmFileName file in _folder.Experts.OrderBy(file => (file.Layer, file.Expert)))
        {
            List<KeyValuePair<string, StateTensor>> tensors = InternLmWeights.Plain(_files, _files.OpenMap(file), file.ToString());
            string layer = tensors.Count == 0 ? "" : LayerOf(tensors[0].Key);
            int cut = file.Tp ?? file.Wp!.Value, stage = StageOf(file, layer);
            found.Add((stage, layer));
            var rank = new ModelRank(cut, _folder.IsIsp ? cut : 0, stage);
            if (!experts.TryGetValue(rank, out RankTensors? whole))
                experts.Add(rank, whole = new RankTensors(rank, new OrderedDictionary<string, StateTensor>(StringComparer.Ordinal)));
            foreach ((string name, StateTensor tensor) in tensors)
            {
                if (InternLmWeights.ExpertOf(name) != file.Expert || LayerOf(name) != layer || !whole.Tensors.TryAdd(_stages.Whole(name, stage), tensor))
                    throw RankTensors.Bad(_files.Folder, $"{file} holds '{name}', which belongs to another expert or stands twice");
            }
        }
        foreach ((long number, List<(int Stage, string Layer)> layers) in _layers)
        {
            if (layers.FirstOrDefault(layer => !found.Contains(layer)) is { Layer: not null } lost)
                throw RankTensors.Bad(_files.Folder, $"the experts of '{lost.Layer}' of pipeline stage {lost.Stage} are missing{(layers.Count > 1 ? $": InternEvo wrote them as layer {number}, and those of another layer over them" : "")}");
        }
        return [.. experts.Values.OrderBy(rank => (rank.Rank.Pp, rank.Rank.Tp)).Select(rank => rank with { Tensors = fused.Restore(rank.Tensors) })];
    }

    private int StageOf(InternLmFileName file, string layer)
    {
        if (_layers.Count == 0)
            return Math.Min(file.Layer!.Value / Math.Max(1, _stages.Layers / _folder.Pp), _folder.Pp - 1);
        (int Stage, string Layer)[] candidates = [.. _layers.GetValueOrDefault(file.Layer!.Value, []).Where(candidate => candidate.Layer == layer)];
        return candidates.Length == 1 ? candidates[0].Stage
            : throw RankTensors.Bad(_files.Folder, $"{file} holds experts of '{layer}', and the files of the ranks have {(candidates.Length == 0 ? "no such layer" : "two layers")} of that number");
    }

    private static string LayerOf(string name) => name[..Math.Max(0, name.IndexOf(MoeLayer, StringComparison.Ordinal))];
}
