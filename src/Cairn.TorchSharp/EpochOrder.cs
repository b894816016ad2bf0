using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Cairn.TorchSharp;

/// <summary>The order of a dataset's samples in each epoch: one that a seed shuffles anew in every epoch, or the one and same that a loader's own sampler gives.</summary>
internal sealed class EpochOrder
{
    private readonly long _size;
    private readonly long[]? _own;

    private EpochOrder(long size, string name, long? seed, long[]? own) => (_size, Name, Seed, _own) = (size, name, seed, own);

    /// <summary>What it is called in a saved state; two of a name are one order.</summary>
    public string Name { get; }

    /// <summary>The seed, where there is one.</summary>
    public long? Seed { get; set; }

    /// <summary>The sample at a place of an epoch.</summary>
    public long this[long epoch, long place] => _own is not null ? _own[place] : new ShuffledOrder(_size, Seed!.Value, epoch)[place];

    /// <summary>Shuffled anew in every epoch.</summary>
    public static EpochOrder Shuffled(long size, long seed) => new(size, ShuffledOrder.Name, seed, null);

    /// <summary>What a sampler gives, in every epoch. It is asked twice, because a sampler that gives another order each time cannot be resumed.</summary>
    /// <exception cref="CheckpointException">It gives another order, or other samples, each time.</exception>
    public static EpochOrder Of(IEnumerable<long> sampler, long size)
    {
        long[] own = [.. sampler];
        if (!own.AsSpan().SequenceEqual([.. sampler]))
        {
            throw new CheckpointException(
                "The DataLoader's own order is another one each time, so no run could go on in it. Give the DataLoader a seed, or better give Resumable one, which also shuffles each epoch anew: loader.Resumable(seed: 1).");
        }
        if (own.LongLength != size || Array.Exists(own, place => place < 0 || place >= size))
            throw new CheckpointException($"The DataLoader's sampler gives {own.LongLength} places of a dataset of {size}. A loader that can be resumed draws each epoch from the whole: {size} places from 0 to {size - 1}.");
        bool isSequential = true;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        for (long i = 0; i < size; i++)
        {
            isSequential &= own[i] == i;
            BinaryPrimitives.WriteInt64LittleEndian(bytes, own[i]);
            hash.AppendData(bytes);
        }
        return isSequential ? new EpochOrder(size, Sequential, null, own) : new EpochOrder(size, $"own-{Convert.ToHexString(hash.GetHashAndReset().AsSpan(0, 8))}", null, own);
    }

    private const string Sequential = "sequential";
}
