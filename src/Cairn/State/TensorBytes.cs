namespace Cairn.State;

/// <summary>Compares tensors by their bytes.</summary>
internal static class TensorBytes
{
    private const int MostAtOnce = 1 << 20;

    /// <summary>Whether both hold the same bytes; they are read a piece at a time.</summary>
    public static bool AreSame(StateTensor first, StateTensor second)
    {
        if (ReferenceEquals(first, second))
            return true;
        if (first.ByteLength != second.ByteLength)
            return false;
        byte[] left = new byte[(int)Math.Min(MostAtOnce, first.ByteLength)], right = new byte[left.Length];
        for (long offset = 0; offset < first.ByteLength; offset += left.Length)
        {
            int length = (int)Math.Min(left.Length, first.ByteLength - offset);
            first.CopyTo(offset, left.AsSpan(0, length));
            second.CopyTo(offset, right.AsSpan(0, length));
            if (!left.AsSpan(0, length).SequenceEqual(right.AsSpan(0, length)))
                return false;
        }
        return true;
    }
}
