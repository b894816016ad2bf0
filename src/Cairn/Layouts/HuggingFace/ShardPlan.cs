using Cairn.State;

namespace Cairn.Layouts.HuggingFace;

/// <summary>Which tensors go into which file.</summary>
internal static class ShardPlan
{
    /// <summary>
    /// Fills files greedily in the tensors' order, as huggingface_hub does: a tensor that does not fit begins the next file, and one
    /// that is larger than the limit has a file of its own, which comes before the one being filled.
    /// </summary>
    /// <param name="tensors">The tensors, each once.</param>
    /// <param name="maxShardBytes">Most bytes of tensors in a file.</param>
    public static IReadOnlyList<IReadOnlyList<KeyValuePair<string, StateTensor>>> Split(IEnumerable<KeyValuePair<string, StateTensor>> tensors, long maxShardBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxShardBytes);
        var shards = new List<IReadOnlyList<KeyValuePair<string, StateTensor>>>();
        var current = new List<KeyValuePair<string, StateTensor>>();
        long bytes = 0;
        foreach (KeyValuePair<string, StateTensor> tensor in tensors)
        {
            long length = tensor.Value.ByteLength;
            if (length > maxShardBytes)
            {
                shards.Add([tensor]);
                continue;
            }
            if (bytes + length > maxShardBytes)
            {
                shards.Add(current);
                current = [];
                bytes = 0;
            }
            current.Add(tensor);
            bytes += length;
        }
        if (current.Count > 0 || shards.Count == 0)
            shards.Add(current);
        return shards;
    }
}
