using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager.Job;

/// <summary>Many ranks save together and resume in any world.</summary>
public class JobTests
{
    internal static readonly World Four = new(2, 1, 2, 2);

    private readonly SimulatedFileSystem _files = new();

    [Theory, InlineData(true), InlineData(false)]
    public void All_ranks_save_one_copy_and_go_on_from_it(bool asynchronous)
    {
        var job = new JobOfThreads(_files);
        job.Run(Four, rank => Run(rank, Options(asynchronous), 27));
        foreach (RankOfThreads rank in job.Ranks)
            rank.Reports.ShouldAllBe(report => report.Outcome == SaveOutcome.Saved);
        Marker newest = Catalog.Read(_files).Entries[0].Marker.ShouldNotBeNull();
        (newest.Step, newest.World, newest.Reason).ShouldBe((27, Four, SaveReason.Final));
        newest.Files.Select(file => file.Name).Order(StringComparer.Ordinal).ShouldBe(
        [
            "context.json", "model_tp0_pp0.safetensors", "model_tp0_pp0_dp1.safetensors", "model_tp1_pp0.safetensors", "model_tp1_pp0_dp1.safetensors",
            "optimizer_tp0_pp0_zo0.safetensors", "optimizer_tp0_pp0_zo1.safetensors", "optimizer_tp1_pp0_zo0.safetensors", "optimizer_tp1_pp0_zo1.safetensors",
            "random_0.json", "random_1.json", "random_2.json", "random_3.json", "sampler_0.json", "sampler_1.json",
        ], ignoreOrder: true);

        var again = new JobOfThreads(_files);
        again.Run(Four, rank => Run(rank, Options(asynchronous), 40));
        string resumed = Whole(_files, 40);
        var whole = new SimulatedFileSystem();
        new JobOfThreads(whole).Run(Four, rank => Run(rank, Options(asynchronous), 40));
        resumed.ShouldBe(Whole(whole, 40));
        foreach (RankOfThreads rank in again.Ranks)
            rank.Training.Random.Value.ShouldBe(Enumerable.Range(0, 40).Aggregate(1000L + rank.Rank, (value, _) => value * 31 + 7));
    }

    public static IEnumerable<TheoryDataRow<World>> Worlds =>
        new World[] { World.Single, new(1, 1, 4, 1), new(2, 1, 1, 1), new(1, 1, 3, 3), new(1, 1, 2, 2), new(4, 1, 1, 1), new(2, 1, 4, 4) }.Select(world => new TheoryDataRow<World>(world));

    [Theory, MemberData(nameof(Worlds))]
    public void What_one_world_saved_another_goes_on_with(World other)
    {
        new JobOfThreads(_files).Run(Four, rank => Run(rank, Options(), 13));
        var job = new JobOfThreads(_files);
        job.Run(other, rank =>
        {
            CheckpointManager checkpoints = rank.Start(Options());
            checkpoints.Resume.Step.ShouldBe(13);
            checkpoints.Resume.NotExact.ShouldHaveSingleItem().ShouldStartWith("random:");
            rank.Training.Sampler.Value.ShouldBe(13 * RankTraining.BatchSize);
            Finish(rank, checkpoints, 30);
        });
        var whole = new SimulatedFileSystem();
        new JobOfThreads(whole).Run(World.Single, rank => Run(rank, Options(), 30));
        Whole(_files, 30).ShouldBe(Whole(whole, 30));
        // And back again.
        new JobOfThreads(_files).Run(Four, rank => Run(rank, Options(), 31));
        new JobOfThreads(whole).Run(World.Single, rank => Run(rank, Options(), 31));
        Whole(_files, 31).ShouldBe(Whole(whole, 31));
    }

    [Fact]
    public void What_the_ranks_hold_is_exchanged_once()
    {
        _files.CreateFolder("");
        new JobOfThreads(_files).Run(Four, rank =>
        {
            var plan = new Cairn.Ranks.Planning.PlanExchange(rank.Group);
            for (int i = 0; i < 5; i++)
                plan.Assign("test", () => RankPart.Capture(rank.Training.Parts), TimeSpan.FromSeconds(20)).ShouldNotBeEmpty();
            plan.Exchanges.ShouldBe(1);
        });
    }

    [Fact]
    public void A_stop_that_reaches_one_rank_is_a_save_by_all_at_one_step()
    {
        var job = new JobOfThreads(_files);
        job.Run(Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(Options(every: 1000));
            rank.Train(checkpoints, 7);
            if (rank.Rank == 2)
                checkpoints.RequestStop();
            checkpoints.StopRequested.ShouldBeFalse();
            rank.Train(checkpoints, 100).ShouldBeFalse();
            checkpoints.StopRequested.ShouldBeTrue();
            rank.Training.Train.Step.ShouldBe(8);
            checkpoints.Complete().FinalCheckpoint.ShouldBe("8");
        });
        Catalog.Read(_files).Entries[0].Marker!.Reason.ShouldBe(SaveReason.Stop);
    }

    [Fact]
    public void Snapshots_take_turns_and_recycle_the_folder_of_the_one_they_replace()
    {
        new JobOfThreads(_files).Run(Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(Options(every: null, snapshots: 5));
            for (long step = 5; step <= 30; step += 5)
            {
                rank.Train(checkpoints, step);
                rank.Settle(checkpoints);
            }
            rank.Reports.Count.ShouldBe(6);
            rank.Reports.ShouldAllBe(report => report.Outcome == SaveOutcome.Saved);
            if (rank.Group.IsFirst)
            {
                Catalog.Read(_files).Entries.Select(entry => entry.Step).ShouldBe([30, 25]);
                _files.List(".staging").ShouldHaveSingleItem();
            }
            rank.Group.Barrier("test: looked");
        });
    }

    [Fact]
    public void Not_finite_weights_on_one_rank_refuse_the_snapshot_on_all()
    {
        var job = new JobOfThreads(_files);
        job.Run(Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(Options(every: null, snapshots: 5));
            rank.Train(checkpoints, 4);
            // On both holders of that shard: only one of them saves it.
            if (rank.Group.Coordinates.Tp == 1)
                rank.Training.Model.Cuts[0].Values[2] = float.NaN;
            rank.Train(checkpoints, 5);
            rank.Settle(checkpoints);
            rank.Reports.ShouldHaveSingleItem().Outcome.ShouldBe(SaveOutcome.Refused);
            rank.Reports[0].Error.ShouldBeOfType<NonFiniteStateException>();
        });
    }

    [Fact]
    public void Shards_that_leave_a_gap_fail_the_save_before_a_byte_is_written()
    {
        var job = new JobOfThreads(_files);
        job.Run(new World(2, 1, 1, 1), rank =>
        {
            CheckpointManager checkpoints = rank.Start(Options(every: 5, snapshots: 0));
            var cuts = (List<ShardPart.Cut>)rank.Training.Model.Cuts;
            ShardPart.Cut up = cuts[0];
            rank.Train(checkpoints, 4);
            if (rank.Rank == 1)
            {
                cuts.RemoveAt(0);
                checkpoints.AcceptSmallerPart("model");
            }
            rank.Train(checkpoints, 5);
            rank.Settle(checkpoints);
            SaveReport report = rank.Reports.ShouldHaveSingleItem();
            report.Outcome.ShouldBe(SaveOutcome.Failed);
            report.Error!.Message.ShouldContain("'model/up': nobody holds [12:24, 0:5]");
            _files.FolderExists(".staging").ShouldBeFalse();
            rank.Group.Barrier("test: looked");
            if (rank.Rank == 1)
                cuts.Insert(0, up);
        });
    }

    [Fact]
    public void A_part_that_one_rank_cannot_capture_fails_the_save_for_all_and_training_goes_on()
    {
        var job = new JobOfThreads(_files);
        job.Run(Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(Options(every: 5, snapshots: 0));
            rank.Train(checkpoints, 4);
            rank.Training.Model.Failure = rank.Rank == 1 ? new CheckpointException("the device is gone") : null;
            rank.Train(checkpoints, 5);
            rank.Settle(checkpoints);
            rank.Training.Model.Failure = null;
            rank.Reports.ShouldHaveSingleItem().Error!.Message.ShouldContain("the device is gone");
            if (rank.Rank != 1)
                rank.Reports[0].Error.ShouldBeOfType<RankFailedException>().Rank.ShouldBe(1);
            rank.Train(checkpoints, 10);
            rank.Settle(checkpoints);
            rank.Reports[^1].Outcome.ShouldBe(SaveOutcome.Saved);
        });
    }

    [Fact]
    public void A_model_that_does_not_fit_on_one_rank_changes_nothing_on_any()
    {
        new JobOfThreads(_files).Run(Four, rank => Run(rank, Options(), 10));
        var job = new JobOfThreads(_files);
        job.Run(Four, rank =>
        {
            if (rank.Rank == 3)
                ((List<ShardPart.Cut>)rank.Training.Model.Cuts).Add(new("new", ShardExtent.Whole([2])));
            rank.Start(Options());
        }, mayFail: true);
        job.Errors[3].ShouldBeOfType<StateMismatchException>().Problems.Missing.ShouldBe(["new"]);
        for (int rank = 0; rank < 3; rank++)
        {
            job.Errors[rank].ShouldBeOfType<RankFailedException>().Rank.ShouldBe(3);
            job.Ranks[rank].Training.Model.Cuts[0].Values.ShouldAllBe(value => value == 0);
        }
    }

    [Fact]
    public void A_run_that_another_process_writes_is_refused_on_all_ranks()
    {
        using var folder = new TemporaryFolder();
        using Cairn.Stores.RunLock held = Cairn.Stores.RunLock.Acquire(new Cairn.Stores.LocalFileSystem(folder.Path), TimeProvider.System, cancellationToken: TestContext.Current.CancellationToken);
        var job = new JobOfThreads(new Cairn.Stores.LocalFileSystem(folder.Path));
        job.Run(Four, rank => CheckpointManager.StartAsync(new CheckpointOptions { Folder = folder.Path, HandleSignals = false }, rank.Training.Train, rank.Training.Parts, ranks: rank.Group, cancellationToken: TestContext.Current.CancellationToken)
            .GetAwaiter().GetResult(), mayFail: true);
        job.Errors[0].ShouldBeOfType<RunLockedException>();
        job.Errors[1..].ShouldAllBe(error => error is RankFailedException);
    }

    [Fact]
    public void A_layout_of_one_process_is_refused_before_training()
    {
        var job = new JobOfThreads(_files);
        job.Run(new World(1, 1, 2, 1), rank => rank.Start(new CheckpointOptions { Folder = "run", Layout = "internlm", HandleSignals = false }), mayFail: true);
        job.Errors.ShouldAllBe(error => error is CheckpointException && error.Message.Contains("written by one process only", StringComparison.Ordinal));
        _files.AllFiles().ShouldBeEmpty();
    }

    [Fact]
    public void A_damaged_file_of_any_rank_sends_all_to_the_copy_before()
    {
        new JobOfThreads(_files).Run(Four, rank => Run(rank, Options(), 20));
        Damage("20/optimizer_tp1_pp0_zo1.safetensors");
        var job = new JobOfThreads(_files);
        job.Run(Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(Options());
            checkpoints.Resume.Step.ShouldBe(15);
            checkpoints.Resume.PassedOver.ShouldHaveSingleItem().Path.ShouldBe("20/optimizer_tp1_pp0_zo1.safetensors");
            checkpoints.Resume.Branch.Id.ShouldBe(1);
        });
    }

    internal static CheckpointOptions Options(bool asynchronous = true, long? every = 5, long snapshots = 0, TimeSpan? timeout = null) => new()
    {
        Folder = "run",
        CheckpointEvery = every,
        SnapshotEvery = snapshots,
        Asynchronous = asynchronous,
        HandleSignals = false,
        RankTimeout = timeout ?? TimeSpan.FromSeconds(20),
    };

    internal static void Run(RankOfThreads rank, CheckpointOptions options, long until) => Finish(rank, rank.Start(options), until);

    internal static void Finish(RankOfThreads rank, CheckpointManager checkpoints, long until)
    {
        rank.Train(checkpoints, until);
        checkpoints.Complete().Steps.ShouldBe(until);
    }

    /// <summary>All that is saved at a step and does not belong to one rank, as one hash.</summary>
    internal static string Whole(IFileSource files, long step, params string[] parts)
    {
        using LoadedCheckpoint checkpoint = CheckpointReader.Open(files, $"{step}");
        return string.Join(' ', (parts.Length > 0 ? parts : ["model", "optimizer", "sampler", "context"]).Select(part => StateDigest.Of(Sorted(checkpoint.Load(part)))));
    }

    // Files of several ranks come together in the order of the ranks.
    private static StateMap Sorted(StateMap state)
    {
        var sorted = new StateMap();
        foreach ((string key, StateNode node) in state.OrderBy(entry => entry.Key, StringComparer.Ordinal))
            sorted.Add(key, node is StateMap map ? Sorted(map) : node);
        return sorted;
    }

    private void Damage(string path)
    {
        byte[] bytes = new byte[_files.OpenRead(path).Length];
        using (Cairn.Stores.IReadableFile file = _files.OpenRead(path))
            file.Read(0, bytes);
        bytes[^1] ^= 1;
        using Cairn.Stores.IWritableFile to = _files.OpenWrite(path, bytes.Length);
        to.Write(0, bytes);
    }
}
