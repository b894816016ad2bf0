using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Tiers;

/// <summary>A job of many ranks on one host and on several, each with a fast folder of its own.</summary>
public sealed class FastTierJobTests : IDisposable
{
    private static readonly World Four = new(2, 1, 2, 2);

    private readonly TemporaryFolder _hosts = new();
    private readonly SimulatedFileSystem _files = new();
    private readonly SimulatedFileSystem _whole = new();
    private volatile bool _refuses;

    public void Dispose() => _hosts.Dispose();

    [Theory, InlineData(1), InlineData(2), InlineData(4)]
    public void Copies_reach_the_home_from_all_hosts(int hosts)
    {
        var job = new JobOfThreads(_files);
        job.Run(Four, rank => JobTests.Finish(rank, Start(rank, hosts), 27));
        foreach (RankOfThreads rank in job.Ranks)
        {
            rank.Reports.ShouldAllBe(report => report.IsComplete);
            rank.Reports.Where(report => report is { Kind: SaveKind.Checkpoint, Outcome: SaveOutcome.Saved }).Select(report => report.Step).ShouldBe([5, 10, 15, 20, 25, 27]);
        }
        Expect(27);
        Catalog.Read(_files).Entries.ShouldAllBe(entry => entry.Marker!.World == Four && Verifier.Verify(_files, entry, default) == null);
        Directory.GetDirectories(_hosts.Path).Length.ShouldBe(hosts);
    }

    [Theory, InlineData(1), InlineData(2), InlineData(4)]
    public void What_only_the_hosts_have_is_gone_on_from(int hosts)
    {
        LeaveAt(23, hosts);
        var job = new JobOfThreads(_files);
        job.Run(Four, rank =>
        {
            CheckpointManager checkpoints = Start(rank, hosts);
            checkpoints.Resume.Step.ShouldBe(23);
            checkpoints.Resume.Source!.StartsWith(_hosts.Path, StringComparison.Ordinal).ShouldBe(hosts == 1);
            JobTests.Finish(rank, checkpoints, 40);
        });
        Expect(40);
    }

    [Fact]
    public void Another_world_goes_on_from_what_the_hosts_have()
    {
        LeaveAt(23, hosts: 2);
        new JobOfThreads(_files).Run(new World(1, 1, 2, 1), rank =>
        {
            CheckpointManager checkpoints = Start(rank, hosts: 2);
            checkpoints.Resume.Step.ShouldBe(23);
            JobTests.Finish(rank, checkpoints, 40);
        });
        Expect(40);
    }

    [Fact]
    public void Without_one_of_the_hosts_the_home_is_what_counts()
    {
        LeaveAt(23, hosts: 2);
        Directory.Delete(Host(1), recursive: true);
        new JobOfThreads(_files).Run(Four, rank =>
        {
            CheckpointManager checkpoints = Start(rank, hosts: 2);
            checkpoints.Resume.Step.ShouldBe(10);
            // What the lost host had may come back, and must not win then.
            checkpoints.Resume.Branch.ForkStep.ShouldBe(10);
            JobTests.Finish(rank, checkpoints, 40);
        });
        Expect(40);
    }

    [Theory, InlineData(2, 0), InlineData(2, 1), InlineData(4, 2)]
    public void What_a_lost_host_had_its_neighbour_hands_back(int hosts, int lost)
    {
        LeaveAt(23, hosts, replicas: 1);
        Directory.Delete(Host(lost), recursive: true);
        new JobOfThreads(_files).Run(Four, rank =>
        {
            CheckpointManager checkpoints = Start(rank, hosts, replicas: 1);
            checkpoints.Resume.Step.ShouldBe(23);
            checkpoints.Resume.PassedOver.ShouldBeEmpty();
            JobTests.Finish(rank, checkpoints, 40);
        });
        Expect(40);
    }

    [Fact]
    public void Two_lost_hosts_beside_each_other_are_more_than_one_replica_can_bear()
    {
        LeaveAt(23, hosts: 4, replicas: 1);
        Directory.Delete(Host(1), recursive: true);
        Directory.Delete(Host(2), recursive: true);
        new JobOfThreads(_files).Run(Four, rank =>
        {
            CheckpointManager checkpoints = Start(rank, hosts: 4, replicas: 1);
            checkpoints.Resume.Step.ShouldBe(10);
            JobTests.Finish(rank, checkpoints, 40);
        });
        Expect(40);
    }

    [Fact]
    public void A_replica_that_was_altered_is_found_and_an_older_copy_taken()
    {
        LeaveAt(23, hosts: 2, replicas: 1);
        Directory.Delete(Host(0), recursive: true);
        string copy = Directory.GetFiles(Host(1), "23.step", SearchOption.AllDirectories).Select(Path.GetDirectoryName).Single()!;
        string model = Path.Join(copy, "model_tp0_pp0.safetensors");
        byte[] bytes = File.ReadAllBytes(model);
        bytes[^1] ^= 1;
        File.WriteAllBytes(model, bytes);
        new JobOfThreads(_files).Run(Four, rank =>
        {
            CheckpointManager checkpoints = Start(rank, hosts: 2, replicas: 1);
            checkpoints.Resume.Step.ShouldBe(20);
            JobTests.Finish(rank, checkpoints, 40);
        });
        Expect(40);
        Catalog.Read(_files).Entries.ShouldAllBe(entry => Verifier.Verify(_files, entry, default) == null);
    }

    [Fact]
    public void A_host_whose_folder_fails_is_no_reason_to_stop()
    {
        var job = new JobOfThreads(_files);
        job.Run(Four, rank =>
        {
            CheckpointManager checkpoints = Start(rank, hosts: 2);
            rank.Train(checkpoints, 7);
            rank.Settle(checkpoints);
            if (rank.Rank == 3)
            {
                string run = Directory.GetDirectories(Host(1)).Single();
                if (Directory.Exists(Path.Join(run, ".staging")))
                    Directory.Delete(Path.Join(run, ".staging"), recursive: true);
                File.WriteAllText(Path.Join(run, ".staging"), "in the way");
            }
            rank.Group.Barrier("test: broken");
            JobTests.Finish(rank, checkpoints, 20);
            rank.Reports.ShouldContain(report => report.Outcome == SaveOutcome.Saved && report.Notes.Any(note => note.Contains("did not take it", StringComparison.Ordinal)));
        });
        Expect(20, "model", "optimizer", "sampler");
    }

    [Fact]
    public void A_folder_on_some_ranks_only_is_refused()
    {
        var job = new JobOfThreads(_files);
        job.Run(Four, rank =>
        {
            CheckpointOptions options = JobTests.Options();
            options.FastFolder = rank.Rank == 2 ? Host(0) : null;
            rank.Start(options);
        }, mayFail: true);
        job.Errors.ShouldAllBe(error => error!.Message.Contains("FastFolder is set on some ranks only"));
    }

    // The home has step 10, and no more from then on.
    private void LeaveAt(long step, int hosts, int replicas = 0)
    {
        var job = new JobOfThreads(_files);
        job.Run(Four, rank =>
        {
            rank.Files.Before = (_, what) =>
            {
                if (_refuses && what.Contains(".staging", StringComparison.Ordinal))
                    throw new IOException("The home is away.");
            };
            CheckpointManager checkpoints = Start(rank, hosts, replicas);
            rank.Train(checkpoints, 10);
            checkpoints.Complete();
            rank.Group.Barrier("test: saved");
            _refuses = true;
            rank.Group.Barrier("test: refuses");
            rank.Train(checkpoints, step);
            Should.Throw<CheckpointException>(checkpoints.Complete);
        }, mayFail: true);
        _refuses = false;
        Catalog.Read(_files).Entries[0].Step.ShouldBe(10);
    }

    private string Host(int host) => Path.Join(_hosts.Path, $"host-{host}");

    private CheckpointManager Start(RankOfThreads rank, int hosts, int replicas = 0)
    {
        CheckpointOptions options = JobTests.Options();
        options.FastFolder = Host(rank.Rank * hosts / rank.World.Size);
        options.Replicas = replicas;
        return rank.Start(options);
    }

    private void Expect(long step, params string[] parts)
    {
        new JobOfThreads(_whole).Run(Four, rank => JobTests.Run(rank, JobTests.Options(), step));
        JobTests.Whole(_files, step, parts).ShouldBe(JobTests.Whole(_whole, step, parts));
    }
}
