using System.Globalization;
using Cairn.Opening;
using Cairn.Stores;

namespace Cairn.Mpi.Tests;

/// <summary>A job of two hosts with a fast folder on each, one of which is lost with its folder before the run's home has what it kept.</summary>
[Collection(nameof(OnItsOwn))]
public class NeighbourTests
{
    private const int Endless = 1_000_000;
    private const string NoLimit = "none", TakesAll = "all";

    private static readonly int Losses = RandomFaults.Count(some: 2, all: 5);

    // Those that live come within it, also on a busy machine.
    private static readonly TimeSpan RankTimeout = TimeSpan.FromSeconds(6), Patience = TimeSpan.FromMinutes(3);

    [Theory, InlineData(MpiImplementation.OpenMpi), InlineData(MpiImplementation.Mpich)]
    public async Task What_a_lost_host_had_its_neighbour_hands_back_whenever_it_is_lost(MpiImplementation mpi)
    {
        MpiRun.Require(mpi);
        CancellationToken cancel = TestContext.Current.CancellationToken;
        using var hosts = new LinkedHosts(3);
        int seed = Random.Shared.Next();
        var random = new Random(seed);
        (int first, int second) = (1, 2);
        long recoverable = 0, trained = 0;
        for (int loss = 1; loss <= Losses; loss++)
        {
            using HostsJob job = Start(hosts, mpi, first, second, Endless, home: $"{random.Next(8)}", replicas: 1, NoLimit);
            await job.WaitForAsync(random.Next(1, 5), "recoverable", cancel);
            // Wherever in a save, or between two, this falls.
            await Task.Delay(random.Next(200), cancel);
            bool losesFirst = random.Next(2) == 0;
            (int lost, int left) = losesFirst ? (first, second) : (second, first);
            (int[] dead, int[] others) = losesFirst ? ([0, 1], [2, 3]) : (new[] { 2, 3 }, new[] { 0, 1 });
            job.Kill(random.Next(2) == 0 ? dead : [.. dead.Reverse()]);
            // They find out by themselves, or whoever has started the job ends them.
            if (random.Next(10) > 0)
                job.Kill(others);
            await job.WaitForRanksAsync(Patience, cancel);
            string story = $"seed {seed}, loss {loss} of {Losses}: host {lost} of {first} and {second}\n{job.All}";
            long resumed = Resumed(job, story);
            resumed.ShouldBeInRange(recoverable, trained, story);
            (recoverable, trained) = (Math.Max(resumed, Newest(job, "recoverable")), Enumerable.Range(0, 4).Max(rank => Newest(job, rank, "")));
            // A host that comes back later may have what it had.
            if (random.Next(3) > 0)
                Directory.Delete(FastFolder(hosts, lost), recursive: true);
            int third = 6 - first - second;
            (first, second) = random.Next(2) == 0 ? (left, third) : (third, left);
        }

        long end = trained + 7;
        using HostsJob last = Start(hosts, mpi, first, second, end, TakesAll, replicas: 1, NoLimit);
        await last.WaitForAsync(1, "starts", cancel);
        await last.WaitForRanksAsync(Patience, cancel);
        string ending = $"seed {seed}, after {Losses} losses:\n{last.All}";
        Resumed(last, ending).ShouldBeInRange(recoverable, trained, ending);
        for (int rank = 0; rank < 4; rank++)
            last.Log(rank)[^1].ShouldBe("well", ending);
        NewestAtHome(hosts).ShouldBe(end, ending);
    }

    [Theory, InlineData(MpiImplementation.OpenMpi), InlineData(MpiImplementation.Mpich)]
    public async Task Without_a_neighbour_the_steps_of_a_lost_host_are_gone(MpiImplementation mpi)
    {
        MpiRun.Require(mpi);
        CancellationToken cancel = TestContext.Current.CancellationToken;
        using var hosts = new LinkedHosts(3);
        long recoverable;
        using (HostsJob job = Start(hosts, mpi, 1, 2, Endless, home: "3", replicas: 0, NoLimit))
        {
            await job.WaitForAsync(4, "recoverable", cancel);
            job.Kill(2, 3, 0, 1);
            await job.WaitForRanksAsync(Patience, cancel);
            recoverable = Newest(job, "recoverable");
        }
        Directory.Delete(FastFolder(hosts, 2), recursive: true);
        long atHome = NewestAtHome(hosts);
        atHome.ShouldBeLessThan(recoverable);
        using HostsJob again = Start(hosts, mpi, 1, 3, Endless, TakesAll, replicas: 0, NoLimit);
        await again.WaitForAsync(1, "recoverable", cancel);
        Resumed(again, again.All).ShouldBe(atHome, again.All);
    }

    [Theory, InlineData(MpiImplementation.OpenMpi), InlineData(MpiImplementation.Mpich)]
    public async Task Training_goes_on_while_the_neighbour_gets_its_part(MpiImplementation mpi)
    {
        MpiRun.Require(mpi);
        using var hosts = new LinkedHosts(2);
        using HostsJob job = Start(hosts, mpi, 1, 2, Endless, TakesAll, replicas: 1, rate: "500000");
        await job.WaitForAsync(1, "recoverable", TestContext.Current.CancellationToken);
        string[] log = job.Log(0);
        // Nothing is sent for seconds but what waits for its turn, and a batch takes a part of one.
        int ended = Array.FindIndex(log, line => line.StartsWith("recoverable", StringComparison.Ordinal)), began = Array.IndexOf(log, $"step {StepOf(log[ended], "recoverable")}");
        log[(began + 1)..ended].Count(line => line.StartsWith("step", StringComparison.Ordinal)).ShouldBeGreaterThan(3, job.All);
    }

    private static HostsJob Start(LinkedHosts hosts, MpiImplementation mpi, int first, int second, long steps, string home, int replicas, string rate) =>
        hosts.Start(mpi, first, second, RankTimeout, "neighbour", RunFolder(hosts), Path.Combine(hosts.Folder, "fast"), $"{steps}", home, $"{replicas}", rate);

    private static string RunFolder(LinkedHosts hosts) => Path.Combine(hosts.Folder, "run");

    private static string FastFolder(LinkedHosts hosts, int host) => Path.Combine(hosts.Folder, "fast", $"host-{host}");

    /// <summary>The step from which all ranks went on, with the state that belongs to it.</summary>
    private static long Resumed(HostsJob job, string story)
    {
        for (int rank = 0; rank < 4; rank++)
        {
            job.Log(rank)[1].ShouldBe(job.Log(0)[1], story);
            job.Log(rank).ShouldNotContain(line => line.StartsWith("has another state", StringComparison.Ordinal), story);
        }
        return StepOf(job.Log(0)[1], "starts at");
    }

    private static long Newest(HostsJob job, string what) => Enumerable.Range(0, 4).Max(rank => Newest(job, rank, what));

    private static long Newest(HostsJob job, int rank, string what) =>
        job.Log(rank).Where(line => line.StartsWith($"{what} step".TrimStart(), StringComparison.Ordinal)).Select(line => StepOf(line, what)).DefaultIfEmpty().Max();

    private static long StepOf(string line, string what) => long.Parse(line[what.Length..].Trim().Split(' ')[1], CultureInfo.InvariantCulture);

    /// <summary>The step of the newest copy there; all of them are good to the last byte.</summary>
    private static long NewestAtHome(LinkedHosts hosts)
    {
        var files = new LocalFileSystem(RunFolder(hosts));
        IReadOnlyList<CatalogEntry> entries = Catalog.Read(files).Entries;
        foreach (CatalogEntry entry in entries)
            Verifier.Verify(files, entry, TestContext.Current.CancellationToken).ShouldBeNull(entry.Folder);
        return entries.Select(entry => entry.Step).DefaultIfEmpty().Max();
    }
}
