namespace Cairn.Peers;

/// <summary>The state that all contenders save: 40 tensors of float32, as a transformer has them.</summary>
internal static class StateShape
{
    private const int Tensors = 40, Small = 1024;

    // A matrix of embeddings, those of attention and of the feed-forward layer, a norm.
    private static readonly int[] Shares = [16, 4, 4, 4, 4, 2, 2, 0];

    /// <summary>The elements of each tensor.</summary>
    public static long[] Elements(long bytes)
    {
        int small = Tensors / Shares.Length;
        long unit = (bytes / sizeof(float) - small * Small) / (small * Shares.Sum());
        return [.. Enumerable.Range(0, Tensors).Select(i => Shares[i % Shares.Length] is > 0 and var share ? share * unit : Small)];
    }
}
