using System.Diagnostics;
using System.Globalization;
using Cairn.Mpi;
using Cairn.State;

namespace Cairn.Bench;

/// <summary>How long training waits when several ranks save the same bytes that one rank would: processes under a real <c>mpirun</c>.</summary>
internal static class RankStall
{
    /// <summary>The argument with which a rank of the measurement is started.</summary>
    public const string Verb = "rank-stall";

    public static void Run(string folder, long bytes, int rounds)
    {
        string? launcher = new[] { "mpirun.openmpi", "mpirun.mpich" }.FirstOrDefault(name => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(path => File.Exists(Path.Combine(path, name))));
        if (launcher is null)
        {
            Console.WriteLine("no mpirun: the stall of several ranks is left out");
            return;
        }
        foreach (int ranks in (int[])[1, 4])
        {
            string[] options = launcher == "mpirun.openmpi" ? ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"] : [];
            using Process job = Process.Start(launcher, [.. options, "-np", $"{ranks}", "dotnet", typeof(RankStall).Assembly.Location, Verb, folder, $"{bytes}", $"{rounds}"]);
            job.WaitForExit();
        }
    }

    /// <summary>What each rank does: trains nothing, saves snapshots of its share of the bytes.</summary>
    public static int RunRank(string folder, long bytes, int rounds)
    {
        using MpiJob job = MpiJob.Start(new MpiOptions());
        int ranks = job.Ranks.Size;
        using var state = new LargeState(bytes / ranks, seed: job.Ranks.Rank + 1);
        var part = new Part(state, job.Ranks.Rank);
        var train = new TrainState();
        var options = new CheckpointOptions { Folder = Path.Combine(folder, $"ranks-{ranks}"), CheckpointEvery = null, SnapshotEvery = 5, HandleSignals = false };
        CheckpointManager checkpoints = CheckpointManager.StartAsync(options, train, [part], ranks: job.Ranks).GetAwaiter().GetResult();
        double[] stalls = new double[rounds + 2], boundaries = new double[200];
        int saves = 0;
        checkpoints.SaveEnded += (_, report) =>
        {
            if (report.Outcome == SaveOutcome.Saved && saves < stalls.Length)
                stalls[saves++] = report.Stall.TotalMilliseconds;
        };
        while (saves < stalls.Length)
        {
            train.CompleteStep();
            checkpoints.AfterBatch();
            while (checkpoints.IsSaving)
                Task.Delay(5).GetAwaiter().GetResult();
        }
        // Boundaries without a save: what agreeing costs each batch.
        for (int i = 0; i < boundaries.Length; i++)
        {
            train.SkipBatch("bench");
            boundaries[i] = Measure.Time(() => checkpoints.AfterBatch()).TotalMicroseconds;
        }
        // The slowest rank counts; the first two saves warm up.
        byte[][] all = job.Ranks.AllGather("stalls", MemoryOf(stalls));
        if (job.Ranks.IsFirst)
        {
            double[] slowest = [.. Enumerable.Range(2, rounds).Select(i => all.Max(rank => BitConverter.ToDouble(rank, i * sizeof(double))))];
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{$"stall of {ranks} ranks, {bytes >> 20} MiB in all",-44} median {Measure.Median(slowest):0.0} ms; end of a batch without a save: median {Measure.Median(boundaries):0} us"));
        }
        checkpoints.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return 0;
    }

    private static byte[] MemoryOf(double[] values) => [.. values.SelectMany(BitConverter.GetBytes)];

    private sealed class Part(LargeState state, int rank) : IStatePart
    {
        public string Name => "model";

        public StateMap Capture()
        {
            var own = new StateMap();
            foreach ((string name, StateNode tensor) in state.Model)
                own.Add($"rank{rank}.{name}", tensor);
            return own;
        }

        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) { }
    }
}
