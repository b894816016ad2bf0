using Cairn.Formats.Safetensors;
using Cairn.Formats.Torch.Distributed;
using Cairn.Formats.Torch.Distributed.Writing;
using Cairn.State;

namespace Cairn.Layouts.PyTorch;

/// <summary>
/// The layout <c>dcp-safetensors</c>: a model as PyTorch's <c>HuggingFaceStorageWriter</c> writes it with <c>save_sharded=True</c>, one file of safetensors of each rank. What it writes otherwise, whole tensors with an index, is
/// the layout <see cref="HuggingFace.HuggingFaceLayout"/>.
/// </summary>
internal static class ShardsLayout
{
    /// <summary>The layout's name.</summary>
    public const string Name = "dcp-safetensors";

    /// <summary>Plans the files of a model. No tensor is read. A tensor under two names is written twice, because a reader looks for both.</summary>
    /// <param name="model">A flat map of tensors.</param>
    /// <param name="ranks">How many ranks there are, as a reader sees it; at least 1.</param>
    /// <exception cref="ArgumentException">An entry is no tensor, or of a type that safetensors does not have.</exception>
    public static IReadOnlyList<PlannedFile> Plan(StateMap model, int ranks)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(ranks, 1);
        var byRank = new SortedDictionary<int, List<(string Name, StateTensor Tensor, RowShard Rows)>>();
        foreach ((string name, StateNode node) in model)
        {
            if (node is not StateTensor tensor)
                throw new ArgumentException($"'{name}' is no tensor. A distributed checkpoint in safetensors is a flat map of tensors; choose the part that is one, or take another layout.", nameof(model));
            foreach (RowShard rows in RowShard.Of(tensor.Shape, ranks))
            {
                if (!byRank.TryGetValue(rows.Rank, out List<(string, StateTensor, RowShard)>? list))
                    byRank.Add(rows.Rank, list = []);
                list.Add((name, tensor, rows));
            }
        }
        return [.. byRank.Select(rank => new PlannedFile(PartSplit.Model, new ShardFileName(rank.Key + 1, 1, 1).ToString(), SafetensorsWriter.Plan(
            rank.Value.Select(shard => new KeyValuePair<string, StateTensor>(shard.Name, shard.Rows.Of(shard.Tensor))),
            ShardingInfo.Metadata(rank.Value.Select(shard => new KeyValuePair<string, long[]>(shard.Name, shard.Rows.OffsetIn(shard.Tensor))), byRank.Count))))];
    }

    /// <summary>The model as it is read back: what is tied stands for itself.</summary>
    public static StateMap Untied(StateMap model)
    {
        var seen = new HashSet<StateTensor>(ReferenceEqualityComparer.Instance);
        StateMap untied = [];
        foreach ((string name, StateNode node) in model)
            untied.Add(name, node is StateTensor tensor && !seen.Add(tensor) ? new ShardTensor(tensor, ShardExtent.Whole([.. tensor.Shape])) : node);
        return untied;
    }
}
