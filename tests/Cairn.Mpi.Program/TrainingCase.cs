using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Cairn.Ranks;
using Cairn.State;
using Cairn.Tests.Manager.Job;

namespace Cairn.Mpi.Program;

/// <summary>
/// A rank that trains and saves: <c>train RUN STEPS HOW LOGS</c>. <c>slow</c>: on the training thread, with a disk that takes its time; <c>sums</c>: with a sum over ranks of both
/// hosts in each batch; <c>run</c>: the same, and the manager owns the loop; <c>plain</c>: without sums. What it meets goes to the file <c>LOGS/R.log</c>, for what it prints does not reach the launcher
/// once their link is cut. It ends well only with the state that a rank which was never interrupted has after these steps.
/// </summary>
internal static class TrainingCase
{
    // Large enough that a save takes a while, small enough that its hash does not.
    private const int BallastBytes = 16 << 20;
    private const int EndedWithAnError = 7;

    public static async Task<int> RunAsync(MpiJob job, string run, int steps, string how, string logs)
    {
        await using var log = new StreamWriter(Path.Combine(logs, string.Create(CultureInfo.InvariantCulture, $"{job.Ranks.Rank}.log"))) { AutoFlush = true };
        await log.WriteLineAsync($"process {Environment.ProcessId}");
        var training = new RankTraining(job.Ranks.World, job.Ranks.Rank);
        var ballast = new Ballast(how == "slow" ? 150 : 0);
        var options = new CheckpointOptions { Folder = run, TotalSteps = steps, CheckpointEvery = 10, SnapshotEvery = 2, KeepLast = 2, Asynchronous = how != "slow", RankTimeout = job.Ranks.Timeout };
        using var never = new SemaphoreSlim(0);
        long last = Stopwatch.GetTimestamp();
        try
        {
            await using (CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, training.Train, [.. training.Parts, ballast], ranks: job.Ranks))
            {
                await log.WriteLineAsync($"starts at step {training.Train.Step}");
                checkpoints.SaveEnded += (_, report) => log.WriteLine($"{report.Outcome.ToString().ToLowerInvariant()} step {report.Step} {report.Error?.Message}");
                if (how == "run")
                    checkpoints.Run(Batch);
                else
                {
                    // The plain loop of a program whose parts do not tell that a batch is under way.
                    while (!training.Train.IsComplete)
                    {
                        Batch();
                        if (!checkpoints.AfterBatch())
                            break;
                    }
                    checkpoints.Complete();
                }
            }
        }
        catch (CheckpointException e)
        {
            string missing = e is RankTimeoutException { Missing: var ranks } ? string.Join(',', ranks) : "";
            await log.WriteLineAsync($"ends after {Stopwatch.GetElapsedTime(last).TotalSeconds:0.0} s, missing {missing}: {e.Message}");
            job.Fail(e.Message);
            return EndedWithAnError;
        }
        void Batch()
        {
            never.Wait(20);
            last = Stopwatch.GetTimestamp();
            if (how is "sums" or "run")
                Sum(job);
            training.Batch();
            ballast.Change(training.Train.Step);
            log.WriteLine($"step {training.Train.Step}");
        }

        bool isWell = IsAsNeverInterrupted(training, ballast, steps);
        await log.WriteLineAsync(isWell ? "well" : "has another state than without the interruption");
        return isWell ? 0 : 1;
    }

    private static unsafe void Sum(MpiJob job)
    {
        float[] values = GC.AllocateArray<float>(100_000, pinned: true);
        fixed (float* start = values)
            job.Data.AllReduce((nint)start, values.Length, TensorType.F32, Reduction.Sum);
    }

    private static bool IsAsNeverInterrupted(RankTraining training, Ballast ballast, int steps)
    {
        var other = new RankTraining(training.World, training.Rank);
        while (other.Train.Step < steps)
            other.Batch();
        return training.Train.Step == steps && training.Sampler.Value == other.Sampler.Value && training.Random.Value == other.Random.Value && ballast.IsOf(steps)
            && AreEqual(training.Model, other.Model) && AreEqual(training.Optimizer, other.Optimizer);
    }

    private static bool AreEqual(ShardPart part, ShardPart other) =>
        part.Cuts.Zip(other.Cuts).All(pair => MemoryMarshal.AsBytes(pair.First.Values.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(pair.Second.Values.AsSpan())));

    /// <summary>Bytes for the disk to write, all of them the low byte of the step.</summary>
    private sealed class Ballast(int rest) : IStatePart
    {
        private readonly byte[] _bytes = new byte[BallastBytes];

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
