using Cairn.Policies;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager.Job;

/// <summary>Snapshots without an interval in a job of many ranks.</summary>
public class JobContinuousSnapshotTests
{
    private readonly SimulatedFileSystem _files = new();

    [Theory, InlineData(true), InlineData(false)]
    public void Snapshots_without_an_interval_are_of_the_same_steps_on_all_ranks_and_wait_for_the_slowest(bool asynchronous)
    {
        CheckpointOptions options = JobTests.Options(asynchronous, every: 20, snapshots: CheckpointOptions.Auto);
        // Time moves only while ranks wait: much of it is stall.
        options.SnapshotStallBudget = 0.9;
        using var gate = new ManualResetEventSlim();
        var job = new JobOfThreads(_files);
        job.Run(JobTests.Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(options);
            Train(rank, checkpoints, 20);
            Settle(rank, checkpoints);
            if (asynchronous)
            {
                if (rank.Rank == 2)
                    rank.Files.Before = (_, _) => rank.HangUntil(gate);
                do
                    Train(rank, checkpoints, rank.Training.Train.Step + 1);
                while (!checkpoints.IsSaving && rank.Training.Train.Step < 35);
                // A snapshot has begun, and none after it while a rank still writes.
                int before = rank.Reports.Count;
                Train(rank, checkpoints, rank.Training.Train.Step + 4);
                checkpoints.IsSaving.ShouldBeTrue();
                rank.Reports.Count.ShouldBe(before);
                rank.Group.Barrier("test: looked", TimeSpan.FromSeconds(30));
                rank.Files.Before = null;
                gate.Set();
            }
            Settle(rank, checkpoints);
            Train(rank, checkpoints, 47);
            checkpoints.Complete().Steps.ShouldBe(47);
        });
        (long, SaveKind, SaveOutcome)[] first = Reports(job.Ranks[0]);
        first.ShouldAllBe(report => report.Item3 == SaveOutcome.Saved);
        first.Count(report => report.Item2 == SaveKind.Snapshot).ShouldBeGreaterThan(2);
        first.Where(report => report.Item2 == SaveKind.Checkpoint).Select(report => report.Item1).ShouldBe([20, 40, 47]);
        foreach (RankOfThreads rank in job.Ranks)
            Reports(rank).ShouldBe(first);
        var whole = new SimulatedFileSystem();
        new JobOfThreads(whole).Run(JobTests.Four, rank => JobTests.Finish(rank, rank.Start(JobTests.Options(asynchronous)), 47));
        JobTests.Whole(_files, 47).ShouldBe(JobTests.Whole(whole, 47));

        static (long, SaveKind, SaveOutcome)[] Reports(RankOfThreads rank) => [.. rank.Reports.Select(report => (report.Step, report.Kind, report.Outcome))];

        static void Settle(RankOfThreads rank, CheckpointManager checkpoints)
        {
            rank.WaitForSave(checkpoints);
            rank.Group.Barrier("test: settled", TimeSpan.FromSeconds(30));
        }

        static void Train(RankOfThreads rank, CheckpointManager checkpoints, long until)
        {
            while (rank.Training.Train.Step < until)
            {
                rank.Rest(TimeSpan.FromSeconds(0.1));
                rank.Train(checkpoints, rank.Training.Train.Step + 1);
            }
        }
    }
}
