using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// The shards in a value that PyTorch pickled as <c>ShardedTensor</c>, which FSDP's sharded state dicts hold: a list of <c>Shard</c> (<c>tensor</c>, <c>metadata</c> with
/// <c>shard_offsets</c>) and a <c>ShardedTensorMetadata</c> with the global <c>size</c> (<c>torch/distributed/_shard/sharded_tensor/api.py</c>, <c>__getstate__</c>; PyTorch 1.13 to 2.6).
/// </summary>
internal static class FsdpShards
{
    private const int MostLevels = 8;

    /// <summary>The shards of the rank that wrote it, or <see langword="null"/> when it is no sharded tensor.</summary>
    public static IReadOnlyList<ShardTensor>? Of(TorchValue value)
    {
        if (value is not TorchObject || Find(value, MostLevels) is not { } state || Field(state[1], "size") is not TorchList size)
            return null;
        long[]? shape = Numbers(size);
        var shards = new List<ShardTensor>();
        foreach (TorchValue shard in (TorchList)state[0])
        {
            if (shape is null || Field(shard, "tensor") is not TorchTensorValue tensor || Field(shard, "metadata") is not { } metadata
                || Field(metadata, "shard_offsets") is not TorchList offsets || Numbers(offsets) is not { } offset)
                return null;
            try
            {
                shards.Add(new ShardTensor(tensor.Data, ShardExtent.OfBox(shape, offset, [.. tensor.Data.Shape])));
            }
            catch (Exception e) when (e is ArgumentException or OverflowException)
            {
                return null;
            }
        }
        return shards;
    }

    // The tuple (shards, metadata, …) stands somewhere in what the object is made of; where depends on PyTorch's version.
    private static TorchList? Find(TorchValue value, int levels)
    {
        if (value is TorchList { Kind: TorchListKind.Tuple, Count: >= 2 } tuple && tuple[0] is TorchList { Kind: TorchListKind.List }
            && tuple[1] is TorchObject { Type.Name: "ShardedTensorMetadata" })
            return tuple;
        IEnumerable<TorchValue?> inner = value switch
        {
            _ when levels == 0 => [],
            TorchObject made => [made.State, made.Arguments],
            TorchList list => list,
            _ => [],
        };
        return inner.OfType<TorchValue>().Select(child => Find(child, levels - 1)).FirstOrDefault(found => found is not null);
    }

    // Attributes are a dict, or with slots the pair (None, dict).
    private static TorchValue? Field(TorchValue value, string name) => (value as TorchObject)?.State switch
    {
        TorchMap map => map.Find(name),
        TorchList pair => pair.OfType<TorchMap>().Select(map => map.Find(name)).FirstOrDefault(found => found is not null),
        _ => null,
    };

    private static long[]? Numbers(TorchList list)
    {
        long?[] numbers = [.. list.Select(item => (item as TorchScalar)?.Value as long?)];
        return Array.TrueForAll(numbers, number => number is not null) ? [.. numbers.Select(number => number!.Value)] : null;
    }
}
