using System.Globalization;
using System.Text.RegularExpressions;
using Cairn.Mpi;
using Cairn.Mpi.Tests;
using Cairn.Opening;
using Cairn.Stores;

namespace TinyLm.Tests;

/// <summary>
/// Again and again, at random moments of real saves, under one MPI or the other: a rank is killed, has a full disk, or stalls. Every other rank ends or goes on as promised
/// within the time-out, the folder always holds a good copy, and the restart takes it.
/// </summary>
[Collection(nameof(OnItsOwn))]
public partial class RankFaultTests
{
    static readonly int FaultsOfEach = RandomFaults.Count(some: 1, all: 5), ShortStalls = RandomFaults.Count(some: 1, all: 3), LongStalls = RandomFaults.Count(some: 1, all: 2);

    // More than two saves make: a fault comes anywhere in a save, or between two.
    const int MostChanges = 200;

    // Short enough to be waited for, long enough that ranks on a busy machine come within it; or so long that only a hanging job meets it.
    static readonly TimeSpan RankTimeout = TimeSpan.FromSeconds(8), Endless = TimeSpan.FromHours(1);

    static readonly TimeSpan ToEnd = TimeSpan.FromMinutes(5);

    static readonly int First = Random.Shared.Next(2);

    static readonly string[] Command =
    [
        "--tp", "2", "--dp", "2", "--zero", "--total-steps", "100000", "--checkpoint-every", "6", "--snapshot-every", "1", "--batch-size", "16", "--width", "64", "--log-every", "1",
    ];

    [Fact]
    public Task A_rank_that_is_killed_at_a_random_moment_ends_the_job_and_costs_no_good_copy() => UnderDrawn(1, (mpi, run, random) =>
    {
        long before = 0;
        for (int fault = 0; fault < FaultsOfEach; fault++)
        {
            using RankJob job = Start(mpi, run, before);
            Pause(job, run, random);
            int victim = random.Next(4);
            job.Signal(victim, "KILL");
            string story = $"fault {fault}: rank {victim} killed under {mpi}";
            job.WaitForEnd(ToEnd).ShouldBeTrue($"{story}: the others do not end\n{job.Output}");
            for (int rank = 0; rank < 4; rank++)
                job.ProcessOf(rank).ShouldBe(0, $"{story}: rank {rank} is left\n{job.Output}");
            before = Good(run, before, story);
        }
        Restart(mpi, run, before);
    });

    [Fact]
    public Task A_disk_that_is_full_for_one_rank_at_random_moments_costs_those_saves_and_training_goes_on() => UnderDrawn(2, (mpi, run, random) =>
    {
        long before = 0;
        using (RankJob job = Start(mpi, run, before))
        {
            for (int fault = 0; fault < FaultsOfEach; fault++)
            {
                Pause(job, run, random);
                int victim = random.Next(4);
                string story = $"fault {fault}: the disk of rank {victim} is full under {mpi}";
                int failed = Count("failed");
                job.FillDisk(victim, full: true);
                job.Until(() => Count("failed") > failed || job.HasExited, ToEnd).ShouldBeTrue($"{story}: no save failed\n{job.Output}");
                job.FillDisk(victim, full: false);
                int saved = Count("saved");
                job.Until(() => Count("saved") > saved || job.HasExited, ToEnd).ShouldBeTrue($"{story}: no save succeeds again\n{job.Output}");
                job.HasExited.ShouldBeFalse($"{story}\n{job.Output}");
                before = Good(run, before, story);
            }
            job.Output.ShouldContain("was not saved. Training goes on");
            job.Signal(1, "TERM");
            job.WaitForEnd(ToEnd).ShouldBeTrue(job.Output);
            job.Output.ShouldContain("stopped as asked");
        }
        Restart(mpi, run, Good(run, before, "stopped"));

        int Count(string @event) => File.ReadAllText(Path.Combine(run, "journal.jsonl")).Split($"\"event\":\"{@event}\"").Length - 1;
    });

    [Fact]
    public Task A_rank_that_stalls_at_a_random_moment_is_waited_for_or_ends_the_job_within_the_time_out() => UnderDrawn(3, (mpi, run, random) =>
    {
        long before = 0;
        // Shorter than the time-out: all wait, and go on.
        using (RankJob job = Start(mpi, run, before, Endless))
        {
            int victim = 0;
            for (int fault = 0; fault < ShortStalls; fault++)
            {
                Pause(job, run, random);
                victim = random.Next(4);
                string story = $"fault {fault}: rank {victim} stalls shortly under {mpi}";
                job.Signal(victim, "STOP");
                job.WaitForEnd(RankTimeout / 4).ShouldBeFalse($"{story}\n{job.Output}");
                int lines = job.Output.Length;
                job.Signal(victim, "CONT");
                job.WaitFor("Saved ", after: lines);
                before = Good(run, before, story);
            }
            job.Signal(victim, "TERM");
            job.WaitForEnd(ToEnd).ShouldBeTrue(job.Output);
            job.Output.ShouldContain("stopped as asked");
        }
        before = Good(run, before, "stopped");
        for (int fault = 0; fault < LongStalls; fault++)
        {
            // Longer: the others name it and end; it ends when it wakes.
            using RankJob job = Start(mpi, run, before);
            Pause(job, run, random);
            int victim = random.Next(4);
            string story = $"fault {fault}: rank {victim} stalls long under {mpi}";
            job.Signal(victim, "STOP");
            job.Until(() => Enumerable.Range(0, 4).Where(rank => rank != victim).All(rank => job.ProcessOf(rank) == 0), ToEnd).ShouldBeTrue($"{story}: the others do not end\n{job.Output}");
            job.Output.ShouldContain($"rank {victim}", Case.Sensitive, story);
            // The launcher may have ended it already.
            if (job.ProcessOf(victim) > 0)
                job.Signal(victim, "CONT");
            job.WaitForEnd(ToEnd).ShouldBeTrue($"{story}: it does not end\n{job.Output}");
            before = Good(run, before, story);
        }
        Restart(mpi, run, before);
    });

    // In each run both have a turn. Where all is asked for, both at once: a job mostly waits for its time-out.
    static async Task UnderDrawn(int turn, Action<MpiImplementation, string, Random> faults)
    {
        MpiImplementation[] both = [MpiImplementation.OpenMpi, MpiImplementation.Mpich];
        MpiImplementation[] drawn = RandomFaults.AreAll ? both : [both[(turn + First) % both.Length]];
        foreach (MpiImplementation mpi in drawn)
            MpiRun.Require(mpi);
        using var folder = new TemporaryFolder();
        await Task.WhenAll(drawn.Select(mpi => Task.Run(() => faults(mpi, folder.Run($"{mpi}"), new Random()))));
    }

    // Trains from the newest good copy on, at the least, and has saved a new one.
    static RankJob Start(MpiImplementation mpi, string run, long before, TimeSpan? timeout = null)
    {
        // Half of them copy their state while they compute the next batch.
        var job = new RankJob(mpi, 4, ["--run", run, .. Command, .. mpi == MpiImplementation.Mpich ? (string[])["--overlap"] : [], "--rank-timeout", $"{(timeout ?? RankTimeout).TotalSeconds}"]);
        try
        {
            if (before > 0)
            {
                job.WaitFor("resumes at step ");
                job.WaitFor("from ", after: job.Output.IndexOf("resumes at step ", StringComparison.Ordinal));
                long.Parse(ResumePattern().Match(job.Output).Groups["step"].Value, CultureInfo.InvariantCulture).ShouldBeGreaterThanOrEqualTo(before, job.Output);
            }
            job.WaitFor("Saved ");
            return job;
        }
        catch
        {
            job.Dispose();
            throw;
        }
    }

    static void Restart(MpiImplementation mpi, string run, long before)
    {
        using RankJob job = Start(mpi, run, before);
        job.Signal(0, "TERM");
        job.WaitForEnd(ToEnd).ShouldBeTrue(job.Output);
        Good(run, before + 1, "restarted after the last fault");
    }

    // The moment is that of a change to the copies' files, however long it takes to come.
    static void Pause(RankJob job, string run, Random random)
    {
        using (var changes = new RunChanges(run, random.Next(MostChanges), static () => { }))
            changes.WaitAsync(() => job.Output).GetAwaiter().GetResult();
        job.HasExited.ShouldBeFalse(job.Output);
    }

    // The newest copy that is good to the last byte; never older than it was.
    static long Good(string run, long before, string story)
    {
        var files = new LocalFileSystem(run);
        long good = ResumeLadder.Choose(files, Catalog.Read(files), RunRecord.Load(files)!, verifyHashes: true).Chosen.ShouldNotBeNull(story).Step;
        good.ShouldBeGreaterThanOrEqualTo(before, story);
        return good;
    }

    [GeneratedRegex(@"resumes at step (?<step>\d+) from")]
    private static partial Regex ResumePattern();
}
