using System.Diagnostics;
using System.Globalization;
using Cairn.Ranks;

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
    private const int SlowRest = 150;
    private const int EndedWithAnError = 7;

    public static async Task<int> RunAsync(MpiJob job, string run, int steps, string how, string logs)
    {
        await using var log = new StreamWriter(Path.Combine(logs, string.Create(CultureInfo.InvariantCulture, $"{job.Ranks.Rank}.log"))) { AutoFlush = true };
        await log.WriteLineAsync($"process {Environment.ProcessId}");
        var training = new HeavyTraining(job, BallastBytes, how == "slow" ? SlowRest : 0);
        var options = new CheckpointOptions { Folder = run, TotalSteps = steps, CheckpointEvery = 10, SnapshotEvery = 2, KeepLast = 2, Asynchronous = how != "slow", RankTimeout = job.Ranks.Timeout };
        using var never = new SemaphoreSlim(0);
        long last = Stopwatch.GetTimestamp();
        try
        {
            await using (CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, training.Train, training.Parts, ranks: job.Ranks))
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
            training.Batch(sums: how is "sums" or "run");
            log.WriteLine($"step {training.Train.Step}");
        }

        bool isWell = training.IsAsNeverInterrupted(steps);
        await log.WriteLineAsync(isWell ? "well" : "has another state than without the interruption");
        return isWell ? 0 : 1;
    }
}
