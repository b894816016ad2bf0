using Cairn.State;

namespace Cairn.Formats;

/// <summary>Finds the tensors of a file that have bytes in a range of it.</summary>
internal static class TensorRanges
{
    /// <summary>Index of the first tensor that ends behind an offset; the number of tensors when there is none.</summary>
    public static int FirstBehind(IReadOnlyList<TensorPlacement> tensors, long offset)
    {
        int low = 0, high = tensors.Count;
        while (low < high)
        {
            int middle = low + ((high - low) / 2);
            if (tensors[middle].Offset + tensors[middle].Tensor.ByteLength > offset)
                high = middle;
            else
                low = middle + 1;
        }
        return low;
    }

    /// <summary>The first tensor that has NaN or infinity in a range of the file, whole elements of which are given.</summary>
    public static string? FirstNonFinite(IReadOnlyList<TensorPlacement> tensors, long offset, ReadOnlySpan<byte> bytes)
    {
        for (int i = FirstBehind(tensors, offset); i < tensors.Count && tensors[i].Offset < offset + bytes.Length; i++)
        {
            TensorPlacement tensor = tensors[i];
            long begin = Math.Max(tensor.Offset, offset), end = Math.Min(tensor.Offset + tensor.Tensor.ByteLength, offset + bytes.Length);
            if (NonFinite.IsIn(bytes[(int)(begin - offset)..(int)(end - offset)], tensor.Tensor.Type))
                return tensor.Name;
        }
        return null;
    }
}
