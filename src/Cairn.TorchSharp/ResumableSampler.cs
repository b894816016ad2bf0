using Cairn.State;

namespace Cairn.TorchSharp;

/// <summary>
/// Draws sample indices in an order that is shuffled anew in every epoch and can be continued at any batch by any number
/// of ranks. The order is one global stream, epoch after epoch; a batch is the next <c>world × batch size</c> samples of it,
/// rank 0 taking the first part. The stream runs on over the end of an epoch: the last batch of an epoch is filled from the
/// next, so each epoch holds every sample exactly once, nothing is dropped and all batches are equally large.
/// All ranks must draw the same number of batches of the same size; then their states are equal.
/// Not for several threads at once.
/// </summary>
public sealed class ResumableSampler : ISettingsPart, IProgressMark
{
    private long _seed, _epoch, _position;

    /// <summary>A sampler at the start of epoch 0.</summary>
    /// <param name="datasetSize">Number of samples; at least 1.</param>
    /// <param name="seed">Seed of the order; the same on all ranks.</param>
    /// <param name="rank">This data-parallel rank, from 0.</param>
    /// <param name="world">Number of data-parallel ranks.</param>
    /// <param name="shuffle">Whether to shuffle; otherwise every epoch runs 0, 1, 2, …</param>
    /// <param name="name">The part's name.</param>
    public ResumableSampler(long datasetSize, long seed = 0, int rank = 0, int world = 1, bool shuffle = true, string name = "sampler")
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(datasetSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(world, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rank, world);
        (DatasetSize, _seed, Rank, World, Shuffle, Name) = (datasetSize, seed, rank, world, shuffle, name);
    }

    /// <inheritdoc/>
    public string Name { get; }
    /// <inheritdoc/>
    public PartScope Scope => PartScope.PerDataRank;
    /// <summary>Number of samples in the dataset.</summary>
    public long DatasetSize { get; }
    /// <summary>This data-parallel rank.</summary>
    public int Rank { get; }
    /// <summary>Number of data-parallel ranks.</summary>
    public int World { get; }
    /// <summary>Whether the order is shuffled.</summary>
    public bool Shuffle { get; }
    /// <summary>Seed of the order.</summary>
    public long Seed => _seed;
    /// <summary>Epochs completed by all ranks together.</summary>
    public long Epoch => _epoch;
    /// <summary>Samples that all ranks together have drawn in this epoch.</summary>
    public long Position => _position;

    /// <inheritdoc/>
    public ulong ProgressMark => unchecked((ulong)_epoch * (ulong)DatasetSize + (ulong)_position);
    /// <inheritdoc/>
    public bool MarksUpdates => false;

    /// <summary>The indices of this rank's part of the next global batch.</summary>
    /// <param name="batchSizePerRank">Samples for each rank; at least 1, and the same on all ranks.</param>
    public long[] NextBatch(int batchSizePerRank)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSizePerRank, 1);
        long[] indices = new long[batchSizePerRank];
        (long epoch, long position) = Ahead((long)Rank * batchSizePerRank);
        ShuffledOrder order = new(DatasetSize, _seed, epoch);
        for (int i = 0; i < indices.Length; i++)
        {
            indices[i] = Shuffle ? order[position] : position;
            if (++position == DatasetSize)
            {
                position = 0;
                order = new ShuffledOrder(DatasetSize, _seed, ++epoch);
            }
        }
        (_epoch, _position) = Ahead((long)World * batchSizePerRank);
        return indices;
    }

    /// <inheritdoc/>
    public StateMap Capture() => new()
    {
        { "order", OrderName },
        { "seed", _seed },
        { "epoch", _epoch },
        { "position", _position },
        { "dataset_size", DatasetSize },
    };

    /// <inheritdoc/>
    public void Check(StateMap saved, RestoreProblems problems)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(problems);
        saved.CheckScalar<string>("order", "order", problems, order => order == OrderName, OrderName);
        saved.CheckScalar<long>("seed", "seed", problems);
        saved.CheckScalar<long>("epoch", "epoch", problems, epoch => epoch >= 0, "0 or more");
        saved.CheckScalar<long>("position", "position", problems, position => position >= 0 && position < DatasetSize, $"0 to {DatasetSize - 1}");
        saved.CheckScalar<long>("dataset_size", "dataset_size", problems, size => size == DatasetSize, $"{DatasetSize}");
        saved.CheckUnexpected(name => name is "order" or "seed" or "epoch" or "position" or "dataset_size", "", problems);
    }

    /// <inheritdoc/>
    /// <remarks>Rank and world stay those of this sampler, whatever world saved the state. The seed is taken over; <see cref="WithProgramSettings"/> says when it is another.</remarks>
    /// <exception cref="StateMismatchException">The state does not fit; nothing was changed.</exception>
    public void Restore(StateMap saved)
    {
        SavedState.RequireFit(this, saved);
        (_seed, _epoch, _position) = (saved.Read<long>("seed"), saved.Read<long>("epoch"), saved.Read<long>("position"));
    }

    /// <inheritdoc/>
    /// <remarks>With another seed the epoch goes on at the same place of another order: some of its samples come twice, and others not at all.</remarks>
    public StateMap WithProgramSettings(StateMap saved, ICollection<SettingDifference> differences) =>
        ProgramSettings.In(Name, "", saved, Capture(), name => name == "seed", differences);

    private string OrderName => Shuffle ? ShuffledOrder.Name : "sequential";

    private (long Epoch, long Position) Ahead(long samples)
    {
        (long epochs, long position) = Math.DivRem(checked(_position + samples), DatasetSize);
        return (_epoch + epochs, position);
    }
}
