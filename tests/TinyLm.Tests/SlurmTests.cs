using Cairn.Mpi;
using Cairn.Mpi.Tests;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.State;
using Cairn.Stores;

namespace TinyLm.Tests;

/// <summary>The batch script of <c>samples/slurm</c> under a real Slurm, with ranks that srun starts on two nodes.</summary>
public class SlurmTests
{
    [Fact]
    public async Task Jobs_signalled_before_their_time_limit_are_requeued_and_go_on_to_the_end()
    {
        MpiRun.Require(MpiImplementation.OpenMpi);
        MpiRun.Require(MpiImplementation.Mpich);
        var cancel = TestContext.Current.CancellationToken;
        using var cluster = new SlurmCluster();
        SlurmJob[] jobs = [cluster.Submit(MpiImplementation.OpenMpi, 1, "--evaluate", "0", "--zero"), cluster.Submit(MpiImplementation.Mpich, 1, "--evaluate", "0", "--tp", "2")];
        foreach (var job in jobs)
        {
            // Long enough to be interrupted, and then soon over.
            await job.WaitForAsync("a checkpoint at the signal", () => SavedAtSignal(job).Any(), cancel);
            job.EndAt(Batch(SavedAtSignal(job).First()) + 15);
        }
        foreach (var job in jobs)
        {
            await job.WaitForAsync("the end", () => job.State.Contains("JobState=COMPLETED", StringComparison.Ordinal), cancel);
            job.Story.ShouldContain("The job goes on in its next start.");
            job.State.ShouldNotContain("Restarts=0");
            NoStepIsLost(job);
            foreach (var copy in job.Copies)
            {
                Verifier.Verify(new LocalFileSystem(job.Run), copy, cancel).ShouldBeNull(job.Story);
                copy.Marker.ShouldNotBeNull().World.Size.ShouldBe(2);
            }
            var last = job.Copies.MaxBy(copy => copy.Step).ShouldNotBeNull();
            last.Kind.ShouldBe(SaveKind.Checkpoint);
            last.Marker!.Reason.ShouldBeOneOf(SaveReason.Final, SaveReason.Signal);
            last.Step.ShouldBe(job.Journal[^1].GetProperty("step").GetInt64());
        }
    }

    [Fact]
    public async Task A_job_whose_node_is_lost_goes_on_from_its_newest_copy_when_there_is_one_again()
    {
        MpiRun.Require(MpiImplementation.Mpich);
        var cancel = TestContext.Current.CancellationToken;
        using var cluster = new SlurmCluster();
        var job = cluster.Submit(MpiImplementation.Mpich, 10, "--evaluate", "0", "--zero");
        await job.WaitForAsync("a snapshot", () => Directory.Exists(job.Run) && job.Copies.Count > 0, cancel);
        cluster.Cut();
        // Slurm requeues the job when it takes the node for lost, or the script does, when srun does not end after its ranks.
        await job.WaitForAsync("the requeue", () => job.State.Contains("Restarts=1", StringComparison.Ordinal), cancel);
        job.Story.ShouldMatch(@"waited [\d.]+ s for rank 1\b");
        var newest = job.Copies.Max(copy => copy.Step);
        job.EndAt(Batch(job.Copies.MaxBy(copy => copy.Step)!) + 10);
        cluster.Mend();
        await job.WaitForAsync("the end", () => job.State.Contains("JobState=COMPLETED", StringComparison.Ordinal), cancel);
        job.Journal.First(line => line.GetProperty("event").GetString() == "resumed").GetProperty("step").GetInt64().ShouldBe(newest, job.Story);
        job.Journal[^1].GetProperty("event").GetString().ShouldBe("finished", job.Story);
        foreach (var copy in job.Copies)
        {
            Verifier.Verify(new LocalFileSystem(job.Run), copy, cancel).ShouldBeNull(job.Story);
        }
    }

    static IEnumerable<CatalogEntry> SavedAtSignal(SlurmJob job) => Directory.Exists(job.Run) ? job.Copies.Where(copy => copy.Marker?.Reason == SaveReason.Signal) : [];

    static long Batch(CatalogEntry copy) => (long)((StateScalar)copy.Marker!.Train["batch_count"]).Value!;

    // Each start goes on where the one before had stopped, and the last one finished.
    static void NoStepIsLost(SlurmJob job)
    {
        long stopped = 0;
        var resumed = 0;
        foreach (var line in job.Journal)
        {
            switch (line.GetProperty("event").GetString())
            {
                case "stopped" or "finished":
                    stopped = line.GetProperty("step").GetInt64();
                    break;
                case "resumed":
                    resumed++;
                    line.GetProperty("step").GetInt64().ShouldBe(stopped, job.Story);
                    line.GetProperty("lost_steps").GetInt64().ShouldBe(0, job.Story);
                    break;
            }
        }
        resumed.ShouldBeGreaterThan(0, job.Story);
        job.Journal[^1].GetProperty("event").GetString().ShouldBe("finished", job.Story);
        stopped.ShouldBeGreaterThan(0);
    }
}
