namespace Cairn.State;

/// <summary>What renaming does to tensors besides their names. Each result is a view: nothing is read until its bytes are asked for, and then only these.</summary>
internal static class TensorOperations
{
    /// <summary>The part from <paramref name="start"/> on along one dimension.</summary>
    /// <exception cref="ArgumentException">There is no such dimension or part.</exception>
    public static StateTensor Narrow(this StateTensor tensor, int dimension, long start, long length)
    {
        long[] shape = [.. tensor.Shape], offset = new long[shape.Length], box = [.. shape];
        if (dimension < 0 || dimension >= shape.Length || start < 0 || length < 0 || start > shape[dimension] - length)
            throw new ArgumentException($"{tensor} has no {length} elements from {start} on along dimension {dimension}.", nameof(dimension));
        offset[dimension] = start;
        box[dimension] = length;
        return tensor.Slice(ShardExtent.OfBox(shape, offset, box));
    }

    /// <summary>Tensors joined along one dimension.</summary>
    /// <exception cref="ArgumentException">Their types or other sizes differ, or there are none.</exception>
    public static StateTensor Concat(IReadOnlyList<StateTensor> tensors, int dimension)
    {
        if (tensors.Count == 0 || dimension < 0 || dimension >= tensors[0].Shape.Count)
            throw new ArgumentException($"{tensors.Count} tensors cannot be joined along dimension {dimension}.", nameof(tensors));
        long[] whole = [.. tensors[0].Shape];
        whole[dimension] = 0;
        foreach (StateTensor tensor in tensors)
        {
            bool fits = tensor.Type == tensors[0].Type && tensor.Shape.Count == whole.Length;
            for (int i = 0; fits && i < whole.Length; i++)
                fits = i == dimension || tensor.Shape[i] == whole[i];
            if (!fits)
                throw new ArgumentException($"{tensor} and {tensors[0]} cannot be joined along dimension {dimension}: their types or other sizes differ.", nameof(tensors));
            whole[dimension] += tensor.Shape[dimension];
        }
        var shards = new ShardTensor[tensors.Count];
        long[] offset = new long[whole.Length];
        for (int i = 0; i < shards.Length; i++)
        {
            shards[i] = new ShardTensor(tensors[i], ShardExtent.OfBox(whole, offset, [.. tensors[i].Shape]));
            offset[dimension] += tensors[i].Shape[dimension];
        }
        return StateTensor.Join("", [.. shards.Where(shard => shard.ByteLength > 0).DefaultIfEmpty(shards[0])]);
    }

    /// <summary>The same elements under another shape.</summary>
    /// <exception cref="ArgumentException">The numbers of elements differ.</exception>
    public static StateTensor Reshape(this StateTensor tensor, params ReadOnlySpan<long> shape) => new ReshapedTensor(tensor, shape);

    /// <summary>The tensor with two dimensions swapped.</summary>
    /// <exception cref="ArgumentException">There is no such dimension, or the elements do not fill whole bytes.</exception>
    public static StateTensor Transpose(this StateTensor tensor, int first, int second) => StridedTensor.Transpose(tensor, first, second);
}
