using Cairn.Opening;
using Cairn.Ranks;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager.Job;

/// <summary>A rank ends, or the ranks lose one another: all of them hear why.</summary>
public class JobEndTests
{
    private readonly SimulatedFileSystem _files = new();

    [Theory, InlineData(false), InlineData(true)]
    public void An_error_that_ends_training_on_one_rank_ends_it_on_all_at_once(bool inRun)
    {
        var job = new JobOfThreads(_files);
        job.Run(JobTests.Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(JobTests.Options(timeout: TimeSpan.FromMinutes(1)));
            rank.Train(checkpoints, 6);
            Action batch = () =>
            {
                rank.Training.Batch();
                if (rank.Rank == 1)
                    throw new InvalidOperationException("the batch is bad");
            };
            if (inRun)
                checkpoints.Run(batch);
            else
                batch();
            rank.Train(checkpoints, 100);
        }, mayFail: true);
        job.Errors[1].ShouldBeOfType<InvalidOperationException>();
        foreach (int other in new[] { 0, 2, 3 })
        {
            RankFailedException error = job.Errors[other].ShouldBeOfType<RankFailedException>();
            error.Rank.ShouldBe(1);
            error.Message.ShouldContain(inRun ? "the batch is bad" : "batch 7 was counted and AfterBatch was not called after it");
        }
        Catalog.Read(_files).Entries[0].Step.ShouldBe(5);
    }

    [Fact]
    public void A_rank_that_leaves_between_two_batches_ends_training_on_all_at_once_and_keeps_its_own_error()
    {
        var job = new JobOfThreads(_files);
        job.Run(JobTests.Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(JobTests.Options(timeout: TimeSpan.FromMinutes(1)));
            rank.Train(checkpoints, 6);
            if (rank.Rank == 1)
                throw new InvalidOperationException("the evaluation failed");
            rank.Train(checkpoints, 100);
        }, mayFail: true);
        job.Errors[1].ShouldBeOfType<InvalidOperationException>();
        foreach (int other in new[] { 0, 2, 3 })
            job.Errors[other].ShouldBeAssignableTo<CheckpointException>()!.Message.ShouldContain("1");
    }

    [Fact]
    public void A_call_that_failed_is_forgotten_once_the_ranks_have_met_again()
    {
        var job = new JobOfThreads(_files);
        job.Run(JobTests.Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(JobTests.Options());
            rank.Train(checkpoints, 6);
            Should.Throw<RankOrderException>(() => rank.Group.Barrier(rank.Rank == 1 ? "one" : "another"));
            JobTests.Finish(rank, checkpoints, 8);
        });
        Catalog.Read(_files).Entries[0].Step.ShouldBe(8);
    }

    [Fact]
    public void A_collective_that_lost_a_rank_ends_training_on_all_with_its_reason()
    {
        var job = new JobOfThreads(_files);
        job.Run(JobTests.Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(JobTests.Options(timeout: TimeSpan.FromMinutes(1)));
            rank.Train(checkpoints, 6);
            if (rank.Rank == 1)
            {
                rank.Group.MarkApart("sum over the whole job: rank 1 waited 6 s for rank 7");
                throw new TimeoutException("the sum did not come");
            }
            rank.Train(checkpoints, 100);
        }, mayFail: true);
        job.Errors[1].ShouldBeOfType<TimeoutException>();
        foreach (int other in new[] { 0, 2, 3 })
            job.Errors[other].ShouldBeOfType<RankFailedException>().Message.ShouldContain("rank 1 waited 6 s for rank 7");
        Catalog.Read(_files).Entries[0].Step.ShouldBe(5);
    }

    [Fact]
    public void A_call_of_the_program_that_one_rank_missed_ends_training_on_it_with_that_reason()
    {
        var job = new JobOfThreads(_files);
        job.Run(JobTests.Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(JobTests.Options(timeout: TimeSpan.FromMinutes(1)));
            rank.Train(checkpoints, 6);
            // Between two batches all ranks compare something, and one goes on without it.
            if (rank.Rank != 1)
                rank.Group.Barrier("loss of the evaluation", TimeSpan.FromSeconds(0.5));
            rank.Train(checkpoints, 100);
        }, mayFail: true);
        foreach (int other in new[] { 0, 2, 3 })
            job.Errors[other].ShouldBeAssignableTo<CheckpointException>()!.Message.ShouldContain("loss of the evaluation");
        job.Errors[1].ShouldBeAssignableTo<CheckpointException>()!.Message.ShouldContain("loss of the evaluation");
        Catalog.Read(_files).Entries[0].Step.ShouldBe(5);
    }
}
