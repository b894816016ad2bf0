using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Ranks;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Tiers;

/// <summary>A host is lost at any moment of a save into the fast folders: what was recoverable before, and what was reported since, its neighbour has.</summary>
public sealed class NeighbourFaultTests : IDisposable
{
    private const int MostMessages = 24;

    private static readonly World Four = new(2, 1, 2, 2);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    private readonly TemporaryFolder _hosts = new(inMemory: true);

    public void Dispose() => _hosts.Dispose();

    /// <summary>The first rank's host and the other one; the rank that does what is done once there, and one that only writes.</summary>
    [Theory, InlineData(0), InlineData(2), InlineData(3)]
    public void A_rank_that_falls_silent_at_any_message_of_a_save_takes_nothing_with_its_host(int victim) =>
        FaultSweep.Run(MostMessages, message => LosesNothing(victim, message)).ShouldBeGreaterThan(10);

    // Whether the message was reached.
    private bool LosesNothing(int victim, int message)
    {
        string story = $"rank {victim} silent from message {message} on", hosts = Path.Join(_hosts.Path, $"{message}");
        var home = new SimulatedFileSystem();
        var refuses = new Refusal();
        int left = int.MaxValue;
        var job = new JobOfThreads(home) { Between = transport => transport.Rank == victim ? new Silenced(transport, () => Interlocked.Decrement(ref left) < 0) : transport };
        long newest = 0;
        job.Run(Four, rank =>
        {
            rank.Files.Before = refuses.Check;
            CheckpointManager checkpoints = Start(rank, hosts, rank.Rank / 2);
            rank.Train(checkpoints, 10);
            checkpoints.Complete();
            rank.Group.Barrier("test: saved");
            refuses.IsOn = true;
            rank.Group.Barrier("test: refuses");
            rank.Train(checkpoints, 12);
            rank.Settle(checkpoints);
            rank.Reports[^1].Step.ShouldBe(12);
            rank.Group.Barrier("test: recoverable");
            if (rank.Rank == victim)
                Volatile.Write(ref left, message);
            rank.Train(checkpoints, 13);
            rank.Train(checkpoints, 14);
            rank.WaitForSave(checkpoints, story);
            rank.Train(checkpoints, 15);
        }, mayFail: true);
        bool isReached = Volatile.Read(ref left) < 0;
        newest = job.Ranks.SelectMany(rank => rank.Reports).Where(report => report.IsComplete).Max(report => report.Step);
        newest.ShouldBeGreaterThanOrEqualTo(12, story);
        foreach (RankOfThreads rank in job.Ranks.Where(rank => isReached && rank.Rank != victim))
        {
            Exception? error = rank.Reports.Select(report => report.Error).OfType<RankTimeoutException>().FirstOrDefault() ?? job.Errors[rank.Rank];
            if (error is RankTimeoutException lost)
                lost.Missing.ShouldBe([victim], $"{story}: rank {rank.Rank}: {lost.Message}");
        }
        refuses.IsOn = false;
        int gone = victim / 2;
        Directory.Delete(Host(hosts, gone), recursive: true);
        new JobOfThreads(home).Run(Four, rank =>
        {
            // The host that is left has other ranks now.
            CheckpointManager checkpoints = Start(rank, hosts, (rank.Rank / 2) == gone ? 1 - gone : 2);
            checkpoints.Resume.Step.ShouldBeGreaterThanOrEqualTo(newest, story);
            rank.Train(checkpoints, 20);
            checkpoints.Complete();
        });
        Catalog.Read(home).Entries.ShouldAllBe(entry => Verifier.Verify(home, entry, default) == null, story);
        JobTests.Whole(home, 20, "model", "optimizer", "sampler").ShouldBe(Uninterrupted.Value, story);
        Directory.Delete(hosts, recursive: true);
        return isReached;
    }

    private static readonly Lazy<string> Uninterrupted = new(() =>
    {
        var whole = new SimulatedFileSystem();
        new JobOfThreads(whole).Run(Four, rank =>
        {
            CheckpointOptions options = JobTests.Options();
            JobTests.Finish(rank, rank.Start(options), 20);
        });
        return JobTests.Whole(whole, 20, "model", "optimizer", "sampler");
    });

    private static CheckpointManager Start(RankOfThreads rank, string hosts, int host) => rank.Start(new CheckpointOptions
    {
        Folder = "run",
        CheckpointEvery = 10,
        SnapshotEvery = 2,
        HandleSignals = false,
        RankTimeout = Timeout,
        FastFolder = Host(hosts, host),
        Replicas = 1,
    });

    private static string Host(string hosts, int host) => Path.Join(hosts, $"host-{host}");

    private sealed class Refusal
    {
        private volatile bool _isOn;

        public bool IsOn { get => _isOn; set => _isOn = value; }

        public void Check(int change, string what)
        {
            if (_isOn && what.Contains(".staging", StringComparison.Ordinal))
                throw new IOException("The home is away.");
        }
    }

    // From some message on it neither sends nor hears.
    private sealed class Silenced(IRankTransport inner, Func<bool> isSilent) : IRankTransport
    {
        private volatile bool _isSilent;

        public int Rank => inner.Rank;
        public int Size => inner.Size;
        public bool HasSent(int rank) => !_isSilent && inner.HasSent(rank);
        public void Rest(TimeSpan atMost) => inner.Rest(atMost);

        public void Send(int rank, byte[] message)
        {
            if (_isSilent || (_isSilent = isSilent()))
                return;
            inner.Send(rank, message);
        }

        public bool TryReceive(out int from, out byte[] message)
        {
            bool found = inner.TryReceive(out from, out message);
            if (!_isSilent)
                return found;
            (from, message) = (0, []);
            return false;
        }
    }
}
