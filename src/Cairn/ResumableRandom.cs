using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using Cairn.State;

namespace Cairn;

/// <summary>
/// A <see cref="Random"/> whose place in its numbers can be saved and gone on from exactly, which that of .NET does not give: xoshiro256** (Blackman and Vigna, 2018), whose four words are filled by SplitMix64
/// from the seed. Whole numbers below a bound are drawn without bias (Lemire, 2019), floating-point numbers from the upper 53 (or 24) bits. No version of the runtime changes its numbers. For data order,
/// augmentation and simulation, not for secrets. Give it to the manager among the parts, where <c>new Random(seed)</c> was used. Not for several threads at once.
/// </summary>
public sealed class ResumableRandom : Random, IStatePart
{
    private const string GeneratorKey = "generator", StateKey = "state", Generator = "xoshiro256**";
    private const int Words = 4;

    private readonly ulong[] _state = new ulong[Words];

    /// <summary>A generator at the start of its numbers.</summary>
    /// <param name="seed">The seed. Ranks that are to draw different numbers need different ones.</param>
    /// <param name="name">The part's name.</param>
    /// <param name="scope">Whether each rank of a job has random numbers of its own (the default), or all have the same: then any number of ranks goes on exactly.</param>
    public ResumableRandom(long seed, string name = "system_random", PartScope scope = PartScope.PerRank)
    {
        (Name, Scope) = (name, scope);
        ulong mixed = unchecked((ulong)seed);
        for (int i = 0; i < Words; i++)
            _state[i] = SplitMix(ref mixed);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public PartScope Scope { get; }

    /// <inheritdoc/>
    public override int Next() => (int)Below(int.MaxValue);

    /// <inheritdoc/>
    public override int Next(int maxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxValue);
        return (int)Below((ulong)maxValue);
    }

    /// <inheritdoc/>
    public override int Next(int minValue, int maxValue)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minValue, maxValue);
        return (int)(minValue + (long)Below((ulong)((long)maxValue - minValue)));
    }

    /// <inheritdoc/>
    public override long NextInt64() => (long)Below(long.MaxValue);

    /// <inheritdoc/>
    public override long NextInt64(long maxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxValue);
        return (long)Below((ulong)maxValue);
    }

    /// <inheritdoc/>
    public override long NextInt64(long minValue, long maxValue)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minValue, maxValue);
        return unchecked(minValue + (long)Below((ulong)maxValue - (ulong)minValue));
    }

    /// <inheritdoc/>
    public override double NextDouble() => (Draw() >> 11) * (1.0 / (1UL << 53));

    /// <inheritdoc/>
    public override float NextSingle() => (Draw() >> 40) * (1.0f / (1U << 24));

    /// <inheritdoc/>
    public override void NextBytes(byte[] buffer)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        NextBytes(buffer.AsSpan());
    }

    /// <inheritdoc/>
    public override void NextBytes(Span<byte> buffer)
    {
        Span<byte> word = stackalloc byte[sizeof(ulong)];
        while (buffer.Length > 0)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(word, Draw());
            int length = Math.Min(word.Length, buffer.Length);
            word[..length].CopyTo(buffer);
            buffer = buffer[length..];
        }
    }

    /// <inheritdoc/>
    protected override double Sample() => NextDouble();

    /// <inheritdoc/>
    public StateMap Capture() => new() { [GeneratorKey] = Generator, [StateKey] = string.Concat(_state.Select(word => word.ToString("x16", CultureInfo.InvariantCulture))) };

    /// <inheritdoc/>
    public void Check(StateMap saved, RestoreProblems problems)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(problems);
        foreach ((string key, Func<string, bool> isGood, string expected) in (ReadOnlySpan<(string, Func<string, bool>, string)>)
            [(GeneratorKey, text => text == Generator, Generator), (StateKey, text => Parsed(text) is not null, "64 hexadecimal digits that are not all 0")])
        {
            if (!saved.TryGetValue(key, out StateNode? node))
                problems.AddMissing(key);
            else if (node is not StateScalar { Value: string text } || !isGood(text))
                problems.AddMismatched(key, expected, (node as StateScalar)?.Value?.ToString() ?? node.ToString()!);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="StateMismatchException">The state does not fit; nothing was changed.</exception>
    public void Restore(StateMap saved)
    {
        PartFit.Require(this, saved);
        Parsed((string)((StateScalar)saved[StateKey]).Value!)!.CopyTo(_state, 0);
    }

    /// <summary>Sets the four words, as published test values do.</summary>
    internal void Set(ReadOnlySpan<ulong> words) => words.CopyTo(_state);

    /// <summary>The next 64 bits.</summary>
    internal ulong Draw()
    {
        ulong result = BitOperations.RotateLeft(_state[1] * 5, 7) * 9, shifted = _state[1] << 17;
        _state[2] ^= _state[0];
        _state[3] ^= _state[1];
        _state[1] ^= _state[2];
        _state[0] ^= _state[3];
        _state[2] ^= shifted;
        _state[3] = BitOperations.RotateLeft(_state[3], 45);
        return result;
    }

    // 0 for a bound of 0, as Random has it.
    private ulong Below(ulong bound)
    {
        ulong high = Math.BigMul(Draw(), bound, out ulong low);
        if (low >= bound)
            return high;
        ulong least = bound == 0 ? 0 : unchecked(0 - bound) % bound;
        while (low < least)
            high = Math.BigMul(Draw(), bound, out low);
        return high;
    }

    private static ulong SplitMix(ref ulong seed)
    {
        ulong value = seed += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    private static ulong[]? Parsed(string text)
    {
        const int Digits = 16;
        ulong[] words = new ulong[Words];
        if (text.Length != Words * Digits)
            return null;
        for (int i = 0; i < Words; i++)
        {
            if (!ulong.TryParse(text.AsSpan(i * Digits, Digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out words[i]))
                return null;
        }
        // From all zeros it never moves.
        return Array.TrueForAll(words, word => word == 0) ? null : words;
    }
}
