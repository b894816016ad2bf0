using System.Globalization;
using System.Text;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager.Job;

/// <summary>
/// One rank has trouble at any one operation of a save: it is killed, its disk is full, its disk hangs. All others end or go on within the time-out,
/// the folder always holds a good copy, and a restart takes it.
/// </summary>
public class JobFaultTests
{
    private const int MostFaults = 40;

    private static readonly World Four = new(2, 1, 2, 2);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(0.7);
    private static readonly Lazy<string> Uninterrupted = new(WholeOfUninterrupted);

    public static TheoryData<bool, int> Cases => new() { { false, 0 }, { false, 3 }, { true, 0 }, { true, 2 } };

    [Theory, MemberData(nameof(Cases))]
    public void A_rank_that_is_killed_at_any_operation_of_a_save_costs_that_save_at_most(bool snapshot, int victim) => AtEachChange(victim, fault =>
    {
        var files = new SimulatedFileSystem();
        var job = new JobOfThreads(files);
        bool reached = false;
        job.Run(Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(Options(snapshot));
            rank.Train(checkpoints, 10);
            rank.Settle(checkpoints);
            if (rank.Rank == victim)
                OnChange(rank, fault, () => { reached = true; rank.Files.Kill(); });
            rank.Train(checkpoints, 20);
            rank.WaitForSave(checkpoints);
            if (reached && rank.Rank == victim)
                throw new KilledException();
            rank.Files.Before = null;
            rank.Train(checkpoints, 22);
            rank.Reports[^1].Step.ShouldBe(20);
            checkpoints.Complete();
        }, mayFail: true);
        string story = $"rank {victim} killed at change {fault}";
        for (int rank = 0; reached && rank < 4; rank++)
        {
            if (rank != victim)
                job.Errors[rank].ShouldBeOfType<RankTimeoutException>($"{story}: rank {rank}").Missing.ShouldBe([victim], story);
        }
        if (!reached)
            job.Errors.ShouldAllBe(error => error == null);
        long good = Found(files);
        good.ShouldBeGreaterThanOrEqualTo(10, story);
        GoesOn(files, good, snapshot, story);
        return reached;
    });

    [Theory, MemberData(nameof(Cases))]
    public void A_full_disk_of_one_rank_fails_the_save_on_all_and_the_next_one_succeeds(bool snapshot, int victim) => AtEachChange(victim, fault =>
    {
        var files = new SimulatedFileSystem();
        bool reached = false;
        string story = $"rank {victim} full at change {fault}";
        new JobOfThreads(files).Run(Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(Options(snapshot, TimeSpan.FromSeconds(20)));
            rank.Train(checkpoints, 10);
            rank.Settle(checkpoints);
            if (rank.Rank == victim)
            {
                OnChange(rank, fault, () =>
                {
                    reached = true;
                    throw new IOException("No space left on device (injected)");
                }, stays: true);
            }
            rank.Train(checkpoints, 20);
            rank.Settle(checkpoints);
            rank.Files.Before = null;
            SaveReport report = rank.Reports.Last(report => report.Step == 20);
            if (report.Outcome == SaveOutcome.Failed)
            {
                report.Error!.Message.ShouldContain("No space left on device (injected)", Case.Sensitive, story);
                if (rank.Rank != victim)
                    report.Error.ShouldBeOfType<RankFailedException>(story).Rank.ShouldBe(victim, story);
            }
            rank.Train(checkpoints, 30);
            rank.Settle(checkpoints);
            rank.Reports[^1].Outcome.ShouldBe(SaveOutcome.Saved, story);
            rank.Reports[^1].Step.ShouldBe(30, story);
        });
        Found(files).ShouldBe(30, story);
        return reached;
    });

    [Theory, MemberData(nameof(Cases))]
    public void A_disk_of_one_rank_that_hangs_holds_nobody_up_and_its_late_writes_spoil_nothing(bool snapshot, int victim) => AtEachChange(victim, fault =>
    {
        var files = new SimulatedFileSystem();
        bool reached = false;
        string story = $"rank {victim} hangs at change {fault}";
        using var gate = new ManualResetEventSlim();
        new JobOfThreads(files).Run(Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(Options(snapshot));
            rank.Train(checkpoints, 10);
            rank.Settle(checkpoints);
            if (rank.Rank == victim)
            {
                OnChange(rank, fault, () =>
                {
                    reached = true;
                    rank.HangUntil(gate);
                });
            }
            rank.Train(checkpoints, 20);
            // The writers of the others give up; training has gone on all the time.
            OthersEnd(rank, checkpoints);
            rank.Files.Before = null;
            rank.Train(checkpoints, 30);
            OthersEnd(rank, checkpoints);
            rank.Train(checkpoints, 35);
            gate.Set();
            rank.Settle(checkpoints);
            rank.Train(checkpoints, 40);
            rank.Settle(checkpoints);
            rank.Reports[^1].Step.ShouldBe(40, story);
            rank.Reports[^1].Outcome.ShouldBe(SaveOutcome.Saved, story);
        });
        void OthersEnd(RankOfThreads rank, CheckpointManager checkpoints)
        {
            if (rank.Rank != victim)
                rank.WaitForSave(checkpoints, story);
            else
                rank.WaitUntil(() => reached || !checkpoints.IsSaving, story);
            rank.Group.Barrier("test: the others ended", TimeSpan.FromSeconds(30));
        }
        // Every byte is what it was when it was saved.
        foreach (CatalogEntry entry in Catalog.Read(files).Entries)
            Verifier.Verify(files, entry).ShouldBeNull(story);
        Found(files).ShouldBe(40, story);
        return reached;
    });

    [Theory, InlineData(true), InlineData(false)]
    public void Whatever_all_ranks_committed_survives_a_power_cut_at_any_operation(bool canExchange)
    {
        var files = new SimulatedFileSystem { CanExchange = canExchange };
        new JobOfThreads(files).Run(new World(1, 1, 2, 2), rank =>
        {
            CheckpointManager checkpoints = rank.Start(new CheckpointOptions { Folder = "run", CheckpointEvery = 8, SnapshotEvery = 2, Asynchronous = false, HandleSignals = false, RankTimeout = TimeSpan.FromSeconds(20), ProbeStore = false });
            for (long step = 2; step <= 8; step += 2)
            {
                rank.Train(checkpoints, step);
                if (rank.Group.IsFirst)
                    files.Mark(step.ToString(CultureInfo.InvariantCulture));
                rank.Group.Barrier("test: marked");
            }
        });
        int states = 0;
        foreach (CrashState state in RandomFaults.Some(files.CrashStates()))
        {
            long promised = state.Marks.Count == 0 ? 0 : long.Parse(state.Marks[^1], CultureInfo.InvariantCulture);
            states++;
            if (promised == 0)
                continue;
            Found(state.FileSystem).ShouldBeGreaterThanOrEqualTo(promised, state.Description);
            new RenamePublisher(state.FileSystem).Recover();
            Found(state.FileSystem).ShouldBeGreaterThanOrEqualTo(promised, $"{state.Description}, after recovery");
        }
        states.ShouldBeGreaterThan(RandomFaults.Count(some: 66, all: 200));
    }

    [Fact]
    public void A_dead_rank_is_named_at_the_end_of_the_batch()
    {
        var files = new SimulatedFileSystem();
        var job = new JobOfThreads(files);
        job.Run(Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(Options(snapshot: false));
            rank.Train(checkpoints, 12);
            if (rank.Rank == 1)
                rank.Files.Kill();
            rank.Train(checkpoints, 100);
        }, mayFail: true);
        foreach (int other in new[] { 0, 2, 3 })
        {
            RankTimeoutException error = job.Errors[other].ShouldBeOfType<RankTimeoutException>();
            error.Missing.ShouldBe([1]);
            error.Message.ShouldContain("end of batch");
        }
        // The end is not tried: it would wait for that rank once more.
        Encoding.UTF8.GetString(SmallFile.Read(files, RunFolder.Journal, 1 << 20)).ShouldContain("the ranks lost one another after batch 13");
    }

    [Fact]
    public void A_folder_that_is_not_shared_is_found_out_by_the_first_save()
    {
        var job = new JobOfThreads(new SimulatedFileSystem());
        var elsewhere = new SimulatedFileSystem();
        elsewhere.CreateFolder("");
        job.Run(new World(1, 1, 2, 2), rank =>
        {
            IFileSystem own = rank.Rank == 0 ? rank.Files : elsewhere;
            CheckpointManager checkpoints = rank.Start(Options(snapshot: false, TimeSpan.FromSeconds(20)), own);
            rank.Train(checkpoints, 10);
            rank.Settle(checkpoints);
            rank.Reports.ShouldHaveSingleItem().Outcome.ShouldBe(SaveOutcome.Failed);
        }, mayFail: true);
        job.Ranks[0].Reports[0].Error!.Message.ShouldContain("rank 1", Case.Insensitive);
    }

    // A fault at each change of the victim's save. The last case reaches none: the save has no more of them.
    private static void AtEachChange(int victim, Func<int, bool> run)
    {
        int unreached = FaultSweep.Run(MostFaults, run);
        unreached.ShouldBeLessThan(MostFaults);
        unreached.ShouldBeGreaterThan(victim == 0 ? 8 : 4);
    }

    private static void OnChange(RankOfThreads rank, int fault, Action happens, bool stays = false)
    {
        int from = rank.Files.Changes + fault;
        rank.Files.Before = (change, _) =>
        {
            if (change == from || (stays && change > from))
                happens();
        };
    }

    private static void GoesOn(SimulatedFileSystem files, long from, bool snapshot, string story)
    {
        new JobOfThreads(files).Run(Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(Options(snapshot, TimeSpan.FromSeconds(20)));
            // A snapshot that was whole but for its name may get it at the start.
            checkpoints.Resume.Step.ShouldBeGreaterThanOrEqualTo(from, story);
            rank.Train(checkpoints, 30);
            checkpoints.Complete();
        });
        JobTests.Whole(files, 30, "model", "optimizer", "sampler").ShouldBe(Uninterrupted.Value, story);
    }

    // What is saved does not depend on when it is.
    private static string WholeOfUninterrupted()
    {
        var whole = new SimulatedFileSystem();
        new JobOfThreads(whole).Run(Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(Options(snapshot: false, TimeSpan.FromSeconds(20)));
            rank.Train(checkpoints, 30);
            checkpoints.Complete();
        });
        return JobTests.Whole(whole, 30, "model", "optimizer", "sampler");
    }

    private static CheckpointOptions Options(bool snapshot, TimeSpan? timeout = null) => new()
    {
        Folder = "run",
        CheckpointEvery = snapshot ? null : 10,
        SnapshotEvery = snapshot ? 10 : 0,
        HandleSignals = false,
        RankTimeout = timeout ?? Timeout,
    };

    private static long Found(SimulatedFileSystem files) =>
        ResumeLadder.Choose(files, Catalog.Read(files), RunRecord.Load(files)!, verifyHashes: true).Chosen!.Step;
}
