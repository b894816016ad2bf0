using System.Runtime.InteropServices;
using Cairn.Ranks;
using Cairn.State;
using Cairn.Tests.Manager.Job;

namespace Cairn.Mpi.Program;

/// <summary>One rank's training with bytes for the disk to write, whose state after any step is known.</summary>
/// <param name="job">The job.</param>
/// <param name="bytes">How many bytes.</param>
/// <param name="rest">Milliseconds for which the disk rests at each block.</param>
internal sealed class HeavyTraining(MpiJob job, int bytes, int rest = 0)
{
    private readonly RankTraining _training = new(job.Ranks.World, job.Ranks.Rank);
    private readonly Ballast _ballast = new(bytes, rest);

    public TrainState Train => _training.Train;
    public IReadOnlyList<IStatePart> Parts => [.. _training.Parts, _ballast];

    /// <summary>One step.</summary>
    /// <param name="sums">Whether ranks of both hosts add something up in it.</param>
    public void Batch(bool sums)
    {
        if (sums)
            Sum();
        _training.Batch();
        _ballast.Change(Train.Step);
    }

    /// <summary>Whether the state is to the bit that of a rank which was never interrupted, after these steps.</summary>
    public bool IsAsNeverInterrupted(long steps)
    {
        var other = new RankTraining(_training.World, _training.Rank);
        while (other.Train.Step < steps)
            other.Batch();
        return Train.Step == steps && _training.Sampler.Value == other.Sampler.Value && _training.Random.Value == other.Random.Value && _ballast.IsOf(steps)
            && AreEqual(_training.Model, other.Model) && AreEqual(_training.Optimizer, other.Optimizer);
    }

    private unsafe void Sum()
    {
        float[] values = GC.AllocateArray<float>(100_000, pinned: true);
        fixed (float* start = values)
            job.Data.AllReduce((nint)start, values.Length, TensorType.F32, Reduction.Sum);
    }

    private static bool AreEqual(ShardPart part, ShardPart other) =>
        part.Cuts.Zip(other.Cuts).All(pair => MemoryMarshal.AsBytes(pair.First.Values.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(pair.Second.Values.AsSpan())));

    /// <summary>Bytes for the disk to write, all of them the low byte of the step.</summary>
    private sealed class Ballast(int bytes, int rest) : IStatePart
    {
        private readonly byte[] _bytes = new byte[bytes];

        public string Name => "ballast";
        public PartScope Scope => PartScope.PerRank;
        public void Change(long step) => _bytes.AsSpan().Fill((byte)step);
        public bool IsOf(long step) => _bytes.AsSpan().IndexOfAnyExcept((byte)step) < 0;
        public StateMap Capture() => new() { ["bytes"] = new SlowTensor(_bytes, rest) };

        public void Check(StateMap saved, RestoreProblems problems)
        {
            if (!saved.ContainsKey("bytes"))
                problems.AddMissing("bytes");
        }

        public void Restore(StateMap saved) => ((StateTensor)saved["bytes"]).CopyTo(0, _bytes);
    }

    /// <summary>Rests at each block that the disk takes.</summary>
    private sealed class SlowTensor(byte[] bytes, int rest) : StateTensor(TensorType.U8, [bytes.Length])
    {
        private readonly SemaphoreSlim _never = new(0);

        public override void CopyTo(long offset, Span<byte> destination)
        {
            _never.Wait(rest);
            bytes.AsSpan((int)offset, destination.Length).CopyTo(destination);
        }
    }
}
