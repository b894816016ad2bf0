using System.Runtime.InteropServices;

namespace Cairn.TorchSharp;

/// <summary>
/// A permutation of 0..size-1 that depends on seed and epoch alone: a Feistel network of eight rounds keyed by SplitMix64
/// over the next even power of two, walked until it lands inside (cycle walking; Black and Rogaway, 2002). Any place is
/// found without memory or history, and no version of the runtime changes it.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal readonly struct ShuffledOrder
{
    /// <summary>What it is called in a saved state.</summary>
    public const string Name = "feistel8-splitmix64";

    private const int Rounds = 8;
    private readonly ulong _size, _key;
    private readonly int _half;

    public ShuffledOrder(long size, long seed, long epoch)
    {
        _size = (ulong)size;
        int bits = 64 - System.Numerics.BitOperations.LeadingZeroCount((ulong)size - 1);
        _half = Math.Max(1, (bits + 1) / 2);
        _key = Mix(Mix((ulong)seed) ^ (ulong)epoch);
    }

    /// <summary>The sample at this place of the order.</summary>
    public long this[long place]
    {
        get
        {
            ulong value = (ulong)place;
            do
                value = Permute(value);
            while (value >= _size);
            return (long)value;
        }
    }

    private ulong Permute(ulong value)
    {
        ulong mask = (1UL << _half) - 1, left = value >> _half, right = value & mask;
        for (ulong round = 0; round < Rounds; round++)
            (left, right) = (right, left ^ (Mix(_key ^ Mix((round << 32) | right)) & mask));
        return (left << _half) | right;
    }

    // SplitMix64 (Steele, Lea, Flood, 2014).
    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
