using System.Diagnostics;
using System.Text.RegularExpressions;
using Cairn.Opening;
using Cairn.Stores;

namespace Cairn.Mpi.Tests;

/// <summary>Two hosts save together, and the link between them is cut.</summary>
[Collection(nameof(OnItsOwn))]
public partial class LinkCutTests
{
    private const int Endless = 1_000_000;

    // Short enough to be waited for, long enough that ranks on a busy machine come within it. A cut link itself would be noticed after a quarter of an hour.
    private static readonly TimeSpan RankTimeout = TimeSpan.FromSeconds(10), Patience = TimeSpan.FromMinutes(3);

    [Theory, InlineData(MpiImplementation.OpenMpi), InlineData(MpiImplementation.Mpich)]
    public async Task Ranks_cut_off_while_they_save_name_each_other_in_time_and_the_restart_goes_on(MpiImplementation mpi)
    {
        MpiRun.Require(mpi);
        CancellationToken cancel = TestContext.Current.CancellationToken;
        using var hosts = new LinkedHosts(2);
        string run = Path.Combine(hosts.Folder, "run");
        long newest = 0;
        string[] all = ["slow", "sums", "run", "plain"];
        Random.Shared.Shuffle(all);
        foreach (string how in all.Take(RandomFaults.Count(some: 2, all: 4)))
        {
            int saves = Random.Shared.Next(2, 6), files = Random.Shared.Next(1, 5);
            using HostsJob job = hosts.Start(mpi, 1, 2, RankTimeout, "train", run, $"{Endless}", how);
            await job.WaitForAsync(saves, "saved", cancel);
            await SaveUnderWayAsync(run, files, cancel);
            hosts.Cut();
            await job.WaitForRanksAsync(Patience, cancel);
            string story = $"{mpi}, {how}, cut at file {files} after {saves} saves:\n{job.All}";
            for (int rank = 0; rank < 4; rank++)
            {
                job.Log(rank)[1].ShouldBe($"starts at step {newest}", story);
                job.Log(rank)[^1].ShouldStartWith("ends after", Case.Sensitive, story);
                (rank < 2 ? LostSecondHost() : LostFirstHost()).IsMatch(job.Log(rank)[^1]).ShouldBeTrue(story);
            }
            // Whoever waits for the others in a save names them, unless its watch found first that nothing moves.
            if (how == "slow")
                job.Log(0).ShouldContain(line => line.StartsWith("failed", StringComparison.Ordinal) && (LostSecondHost().IsMatch(line) || line.Contains(" hangs in ", StringComparison.Ordinal)), story);
            hosts.Mend();
            long before = newest;
            newest = NewestOfAllGood(run, story);
            newest.ShouldBeGreaterThan(before, story);
        }

        string logs = Directory.CreateDirectory(Path.Combine(hosts.Folder, "one-host")).FullName;
        (int code, string output) = MpiRun.Run(mpi, 4, "Cairn.Mpi.Program", ["train", run, $"{newest + 5}", "sums", logs], ("CAIRN_TP", "2"), ("CAIRN_ZO", "2"));
        code.ShouldBe(0, output);
        for (int rank = 0; rank < 4; rank++)
        {
            string[] log = await File.ReadAllLinesAsync(Path.Combine(logs, $"{rank}.log"), cancel);
            log[1].ShouldBe($"starts at step {newest}");
            log[^1].ShouldBe("well");
        }
    }

    [Theory, InlineData(MpiImplementation.OpenMpi), InlineData(MpiImplementation.Mpich)]
    public async Task A_link_that_comes_back_within_the_time_out_costs_no_save(MpiImplementation mpi)
    {
        MpiRun.Require(mpi);
        CancellationToken cancel = TestContext.Current.CancellationToken;
        using var hosts = new LinkedHosts(2);
        string run = Path.Combine(hosts.Folder, "run");
        using HostsJob job = hosts.Start(mpi, 1, 2, TimeSpan.FromSeconds(100), "train", run, "20", "sums");
        await job.WaitForAsync(1, "saved", cancel);
        await SaveUnderWayAsync(run, 1, cancel);
        hosts.Cut();
        // For as long as this the link is away; nothing is waited for.
        await Task.Delay(1500, cancel);
        hosts.Mend();
        await job.WaitForRanksAsync(Patience, cancel);
        for (int rank = 0; rank < 4; rank++)
        {
            job.Log(rank)[^1].ShouldBe("well", job.All);
            job.Log(rank).ShouldNotContain(line => line.StartsWith("failed", StringComparison.Ordinal), job.All);
        }
        NewestOfAllGood(run, job.All).ShouldBe(20);
    }

    /// <summary>Waits until a save has written so many files. What an earlier snapshot left in staging was written before.</summary>
    private static async Task SaveUnderWayAsync(string run, int files, CancellationToken cancellationToken)
    {
        long began = Stopwatch.GetTimestamp();
        DateTime since = TimeProvider.System.GetUtcNow().UtcDateTime;
        while (Written() < files)
        {
            Stopwatch.GetElapsedTime(began).ShouldBeLessThan(Patience, $"no save writes {files} files in {run}");
            await Task.Delay(2, cancellationToken);
        }

        int Written()
        {
            try
            {
                return Directory.EnumerateFiles(Path.Combine(run, ".staging"), "*", SearchOption.AllDirectories).Count(file => File.GetLastWriteTimeUtc(file) > since);
            }
            catch (DirectoryNotFoundException)
            {
                return 0;
            }
        }
    }

    /// <summary>The step of the newest copy; all that the catalog lists are good to the last byte.</summary>
    private static long NewestOfAllGood(string run, string story)
    {
        var files = new LocalFileSystem(run);
        IReadOnlyList<CatalogEntry> entries = Catalog.Read(files).Entries;
        foreach (CatalogEntry entry in entries)
            Verifier.Verify(files, entry, TestContext.Current.CancellationToken).ShouldBeNull($"{entry.Folder}: {story}");
        return entries.Max(entry => entry.Step);
    }

    [GeneratedRegex(@"waited [\d.]+ s for ranks? [\d, ]*[23]\b")]
    private static partial Regex LostSecondHost();

    [GeneratedRegex(@"waited [\d.]+ s for ranks? [\d, ]*[01]\b")]
    private static partial Regex LostFirstHost();
}

/// <summary>Tests whose time-outs should not meet the load of others.</summary>
[CollectionDefinition(nameof(OnItsOwn), DisableParallelization = true)]
public class OnItsOwn;
