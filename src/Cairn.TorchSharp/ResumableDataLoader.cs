using System.Collections;
using System.Globalization;
using Cairn.State;
using TorchSharp.Modules;

namespace Cairn.TorchSharp;

/// <summary>
/// The batches of one of TorchSharp's <c>DataLoader</c>s, in an order that goes on in the middle of an epoch: a resumed run draws exactly the batches that the run without an interruption would have drawn. Each
/// <c>foreach</c> gives what is left of an epoch, and then the next epoch begins. The loader's dataset, collate function, batch size, workers, device and <c>drop_last</c> are used as they are; what was drawn before is not
/// loaded again. A batch counts as drawn when it is handed out. What the dataset draws at random is its own matter: with several workers TorchSharp loads the samples of a batch in no fixed order.
/// Not for several threads at once. Made by <see cref="DataLoading.Resumable{TSample, TBatch}(DataLoader{TSample, TBatch}, long?, IEnumerable{long}?, int, int, string)"/>.
/// </summary>
/// <typeparam name="TSample">A sample.</typeparam>
/// <typeparam name="TBatch">A batch.</typeparam>
public sealed class ResumableDataLoader<TSample, TBatch> : IEnumerable<TBatch>, ISettingsPart, IProgressMark
{
    private readonly DataLoader<TSample, TBatch> _loader;
    private readonly HashSet<long> _skipped;
    private readonly EpochOrder _order;
    private readonly int _rank, _world;
    private long _epoch, _position;
    private ulong _drawn;
    private int _enumeration;

    internal ResumableDataLoader(DataLoader<TSample, TBatch> loader, long? seed, IEnumerable<long> skipBatches, int rank, int world, string name)
    {
        ArgumentNullException.ThrowIfNull(loader);
        ArgumentOutOfRangeException.ThrowIfLessThan(world, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rank, world);
        (_loader, _rank, _world, _skipped, Name) = (loader, rank, world, [.. skipBatches], name);
        DatasetSize = loader.dataset.Count;
        if (DatasetSize < 1)
            throw new ArgumentException("The loader's dataset is empty.", nameof(loader));
        _order = seed is { } given ? EpochOrder.Shuffled(DatasetSize, given) : EpochOrder.Of(loader.sampler, DatasetSize);
    }

    /// <inheritdoc/>
    public string Name { get; }
    /// <inheritdoc/>
    public PartScope Scope => PartScope.PerDataRank;
    /// <summary>Number of samples in the dataset.</summary>
    public long DatasetSize { get; }
    /// <summary>Epochs that are done.</summary>
    public long Epoch => _epoch;
    /// <summary>Samples of this epoch that all ranks together have drawn or skipped.</summary>
    public long Position => _position;
    /// <summary>Batches of an epoch, those that are skipped among them.</summary>
    public long BatchesPerEpoch => _loader.drop_last ? DatasetSize / GlobalBatch : (DatasetSize + GlobalBatch - 1) / GlobalBatch;
    /// <summary>The number, from 0 over all epochs, of the batch that comes next, unless it is skipped; the same numbers as in the list of batches to skip.</summary>
    public long NextBatch => _epoch * BatchesPerEpoch + Math.Min(BatchesPerEpoch, (_position + GlobalBatch - 1) / GlobalBatch);

    /// <inheritdoc/>
    public ulong ProgressMark => _drawn;
    /// <inheritdoc/>
    public bool MarksUpdates => false;

    /// <summary>The batches that are left of this epoch. Left before its end, the next enumeration goes on there; see <see cref="EndEpoch"/>. Only one at a time.</summary>
    /// <exception cref="InvalidOperationException">While it is enumerated, another enumeration was begun, or a state was restored.</exception>
    public IEnumerator<TBatch> GetEnumerator()
    {
        int enumeration = ++_enumeration;
        long drawn = _position;
        using var rest = new DataLoader<TSample, TBatch>(_loader.dataset, _loader.batch_size, _loader.collate_fn, Rest(), _loader.Device, _loader.num_workers, _loader.drop_last, _loader.DisposeBatch, disposeDataset: false);
        using IEnumerator<TBatch> batches = rest.GetEnumerator();
        while (true)
        {
            if (enumeration != _enumeration)
                throw new InvalidOperationException("The batches were enumerated anew, or a state was restored, while this enumeration was under way. Resume first, and enumerate then, once at a time.");
            if (!batches.MoveNext())
                break;
            _position = drawn;
            _drawn++;
            yield return batches.Current;
        }
        EndEpoch();

        // TorchSharp's loader draws the samples of one batch when it is asked for that batch, and no more.
        IEnumerable<long> Rest()
        {
            long begin = drawn;
            while (begin < DatasetSize)
            {
                long end = Math.Min(DatasetSize, begin + GlobalBatch), share = (end - begin + _world - 1) / _world;
                if (_loader.drop_last && end - begin < GlobalBatch)
                    break;
                if (!_skipped.Contains(_epoch * BatchesPerEpoch + begin / GlobalBatch))
                {
                    drawn = end;
                    for (long i = 0; i < share; i++)
                    {
                        // What lacks for equal shares at the end is taken from the beginning, as PyTorch's DistributedSampler does.
                        long place = begin + _rank * share + i;
                        yield return _order[_epoch, place < DatasetSize ? place : place % DatasetSize];
                    }
                }
                begin = end;
            }
        }
    }

    /// <inheritdoc/>
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Begins the next epoch, whatever is left of this one.</summary>
    public void EndEpoch()
    {
        _enumeration++;
        _epoch++;
        _position = 0;
    }

    /// <inheritdoc/>
    public StateMap Capture()
    {
        StateMap state = new() { { "order", _order.Name }, { "epoch", _epoch }, { "position", _position }, { "dataset_size", DatasetSize } };
        if (_order.Seed is { } seed)
            state.Add("seed", seed);
        return state;
    }

    /// <inheritdoc/>
    public void Check(StateMap saved, RestoreProblems problems)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(problems);
        saved.CheckScalar<string>("order", "order", problems, order => order == _order.Name, _order.Name);
        saved.CheckScalar<long>("epoch", "epoch", problems, epoch => epoch >= 0, "0 or more");
        saved.CheckScalar<long>("position", "position", problems, position => position >= 0 && position <= DatasetSize, $"0 to {DatasetSize}");
        saved.CheckScalar<long>("dataset_size", "dataset_size", problems, size => size == DatasetSize, DatasetSize.ToString(CultureInfo.InvariantCulture));
        if (_order.Seed is not null)
            saved.CheckScalar<long>("seed", "seed", problems);
        saved.CheckUnexpected(name => name is "order" or "epoch" or "position" or "dataset_size" || (name == "seed" && _order.Seed is not null), "", problems);
    }

    /// <inheritdoc/>
    /// <remarks>Batch size, workers and ranks stay those of this loader; the seed is taken over, and <see cref="WithProgramSettings"/> says when it is another.</remarks>
    /// <exception cref="StateMismatchException">The state does not fit; nothing was changed.</exception>
    public void Restore(StateMap saved)
    {
        SavedState.RequireFit(this, saved);
        _enumeration++;
        (_epoch, _position) = (saved.Read<long>("epoch"), saved.Read<long>("position"));
        if (_order.Seed is not null)
            _order.Seed = saved.Read<long>("seed");
    }

    /// <inheritdoc/>
    /// <remarks>With another seed the epoch goes on at the same place of another order: some of its samples come twice, and others not at all.</remarks>
    public StateMap WithProgramSettings(StateMap saved, ICollection<SettingDifference> differences) =>
        ProgramSettings.In(Name, "", saved, Capture(), name => name == "seed", differences);

    private long GlobalBatch => (long)_loader.batch_size * _world;
}
