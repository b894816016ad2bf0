using TorchSharp.Modules;

namespace Cairn.TorchSharp;

/// <summary>Makes TorchSharp's data loaders go on in the middle of an epoch.</summary>
public static class DataLoading
{
    /// <summary>The loader's batches in an order that can be saved and resumed; pass the result as a part, and enumerate it instead of the loader.</summary>
    /// <typeparam name="TSample">A sample.</typeparam>
    /// <typeparam name="TBatch">A batch.</typeparam>
    /// <param name="loader">Any loader of TorchSharp. It stays the caller's to dispose.</param>
    /// <param name="seed">Shuffles each epoch anew. Default: <see langword="null"/>, the loader's own order, which with <c>shuffle: true, seed: n</c> is the same in every epoch.</param>
    /// <param name="skipBatches">Numbers of batches that are passed over, not loaded and not given out; counted from 0 over all epochs, as if none were skipped. Default: none.</param>
    /// <param name="rank">This data-parallel rank, from 0. It gets its part of each global batch, which is <paramref name="world"/> times the loader's.</param>
    /// <param name="world">Number of data-parallel ranks.</param>
    /// <param name="name">The part's name.</param>
    /// <exception cref="CheckpointException">Without a seed: the loader's own order is another one each time.</exception>
    public static ResumableDataLoader<TSample, TBatch> Resumable<TSample, TBatch>(this DataLoader<TSample, TBatch> loader, long? seed = null, IEnumerable<long>? skipBatches = null, int rank = 0, int world = 1, string name = "sampler") =>
        new(loader, seed, skipBatches ?? [], rank, world, name);
}
