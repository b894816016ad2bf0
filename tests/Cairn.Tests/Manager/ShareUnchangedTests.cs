using Cairn.Opening;
using Cairn.Saving;
using Cairn.Stores;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests.Manager;

/// <summary>What has not changed since the copy before is not written again.</summary>
public sealed class ShareUnchangedTests : IDisposable
{
    const string Frozen = "model_frozen_tp0_pp0.safetensors", Changing = "model_tp0_pp0.safetensors";

    readonly TemporaryFolder _folder = new();
    readonly List<SaveReport> _reports = [];

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_frozen_base_is_written_once_also_across_a_restart_and_each_copy_is_whole(bool asynchronous)
    {
        await TrainAsync(6, options => options.Asynchronous = asynchronous);
        _reports.Select(report => report.SharedBytes).ShouldBe([0, .. Enumerable.Repeat(Length("1", Frozen), 5)]);
        _reports.ShouldAllBe(report => report.Bytes > FrozenPart.BaseBytes);
        Same("6", Frozen, "1").ShouldBeTrue();
        Same("6", Changing, "5").ShouldBeFalse();

        _reports.Clear();
        FrozenPart resumed = await TrainAsync(8, static _ => { });
        resumed.Head.ShouldBe(9);
        _reports.ShouldAllBe(report => report.SharedBytes == Length("1", Frozen));
        Same("8", Frozen, "1").ShouldBeTrue();

        // The others go, and the one that is left is whole.
        for (int step = 1; step < 8; step++)
            Directory.Delete(_folder[$"run/{step}"], recursive: true);
        var files = new LocalFileSystem(_folder["run"]);
        Catalog.Read(files).Entries.ShouldHaveSingleItem().Step.ShouldBe(8);
        Verifier.Verify(files, Catalog.Read(files).Entries[0], TestContext.Current.CancellationToken).ShouldBeNull();
    }

    [Fact]
    public async Task What_changes_all_the_same_is_written_and_shared_from_then_on()
    {
        await TrainAsync(6, static _ => { }, (step, model) =>
        {
            if (step == 3)
                model.Base[0][12345] ^= 1;
        });
        _reports.Select(report => report.SharedBytes > 0).ShouldBe([false, true, false, true, true, true]);
        Same("2", Frozen, "1").ShouldBeTrue();
        Same("3", Frozen, "2").ShouldBeFalse();
        Same("6", Frozen, "3").ShouldBeTrue();
    }

    [Fact]
    public async Task A_file_that_somebody_wrote_to_is_not_taken_over()
    {
        await TrainAsync(4, static _ => { }, (step, _) =>
        {
            if (step != 2)
                return;
            using FileStream file = File.OpenWrite(_folder[$"run/1/{Frozen}"]);
            file.Seek(-1, SeekOrigin.End);
            file.WriteByte(77);
        });
        _reports.Select(report => report.SharedBytes > 0).ShouldBe([false, false, true, true]);
        var files = new LocalFileSystem(_folder["run"]);
        Catalog.Read(files).Entries.Where(entry => Verifier.Verify(files, entry) is not null).ShouldHaveSingleItem().Step.ShouldBe(1);
    }

    [Fact]
    public async Task A_file_that_is_written_to_while_it_is_loaded_is_not_taken_over()
    {
        await TrainAsync(2, static _ => { });
        _reports.Clear();
        FrozenPart resumed = await TrainAsync(4, static _ => { }, model: new FrozenPart
        {
            Restoring = () =>
            {
                using FileStream file = File.OpenWrite(_folder[$"run/2/{Frozen}"]);
                file.Seek(-5, SeekOrigin.End);
                file.WriteByte(99);
            },
        });
        resumed.Head.ShouldBe(5);
        _reports[0].SharedBytes.ShouldBe(0, "what was read is not what stands there now");
        Same("4", Frozen, "3").ShouldBeTrue();
    }

    [Fact]
    public async Task A_link_to_elsewhere_in_its_place_costs_no_save()
    {
        await TrainAsync(4, static _ => { }, (step, _) =>
        {
            if (step != 2)
                return;
            File.Move(_folder[$"run/1/{Frozen}"], _folder["elsewhere"]);
            File.CreateSymbolicLink(_folder[$"run/1/{Frozen}"], _folder["elsewhere"]);
        });
        _reports.ShouldAllBe(report => report.Outcome == SaveOutcome.Saved);
        _reports.Select(report => report.SharedBytes > 0).ShouldBe([false, false, true, true]);
        new FileInfo(_folder[$"run/4/{Frozen}"]).LinkTarget.ShouldBeNull();
    }

    [Fact]
    public async Task What_a_process_before_wrote_is_made_durable_before_a_copy_relies_on_it()
    {
        var disk = new SimulatedFileSystem();
        await TrainAsync(2, static _ => { }, home: new DiskHome(disk));
        int from = disk.Operations.Count;
        await TrainAsync(4, static _ => { }, home: new DiskHome(disk));
        disk.Operations.Skip(from).Where(operation => operation.Contains(Frozen, StringComparison.Ordinal)).Select(operation => operation.Split(' ')[0]).ShouldBe(["link", "sync", "link"]);
    }

    [Fact]
    public async Task What_is_unfrozen_goes_to_the_file_of_what_changes()
    {
        await TrainAsync(4, static _ => { }, static (step, model) => model.IsFrozen = step < 3);
        File.Exists(_folder[$"run/2/{Frozen}"]).ShouldBeTrue();
        File.Exists(_folder[$"run/3/{Frozen}"]).ShouldBeFalse();
        Length("3", Changing).ShouldBeGreaterThan(FrozenPart.BaseBytes);
        (await TrainAsync(5, static _ => { })).Head.ShouldBe(6);
    }

    [Fact]
    public async Task Without_the_option_all_is_one_file_and_written_each_time()
    {
        await TrainAsync(3, static options => options.ShareUnchanged = false);
        _reports.ShouldAllBe(report => report.SharedBytes == 0);
        File.Exists(_folder[$"run/3/{Frozen}"]).ShouldBeFalse();
    }

    [Fact]
    public async Task Snapshots_that_take_turns_never_write_to_a_file_that_another_copy_has()
    {
        await TrainAsync(9, static options => (options.CheckpointEvery, options.SnapshotEvery) = (4, 1));
        string[] copies = ["4", "8", "9", "snapshot/0", "snapshot/1"];
        var files = new LocalFileSystem(_folder["run"]);
        foreach (string copy in copies)
            Same(copy, Frozen, "4").ShouldBeTrue(copy);
        Catalog.Read(files).Entries.ShouldAllBe(entry => Verifier.Verify(files, entry) == null);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task An_object_store_copies_it_by_itself_and_one_that_cannot_gets_all_again(bool canCopy)
    {
        var store = new MemoryRunStore { CanCopy = canCopy };
        await TrainAsync(4, static _ => { }, home: new StoreHome(store));
        _reports.Select(report => report.SharedBytes > 0).ShouldBe([false, canCopy, canCopy, canCopy]);
        store.Changes.Count(change => change.Change == StoreChange.Copy).ShouldBe(canCopy ? 3 : 0);
        _reports.Clear();
        (await TrainAsync(6, static _ => { }, home: new StoreHome(new MemoryRunStore(store.Objects) { CanCopy = canCopy }))).Head.ShouldBe(7);
        _reports.ShouldAllBe(report => report.SharedBytes > 0 == canCopy);
    }

    [Fact]
    public async Task A_disk_without_links_gets_all_again()
    {
        await TrainAsync(4, static _ => { }, home: new DiskHome(new SimulatedFileSystem { CanLink = false }));
        _reports.ShouldAllBe(report => report.Outcome == SaveOutcome.Saved && report.SharedBytes == 0);
    }

    [Fact]
    public async Task Where_the_disk_is_nearly_full_only_what_is_written_needs_room()
    {
        var disk = new SimulatedFileSystem { Capacity = 1 << 23 };
        await TrainAsync(5, static _ => { }, (step, _) => disk.Capacity = step == 2 ? disk.AllFiles().Sum(file => (long)file.Value.Length) + (4 << 20) + (64 << 10) : disk.Capacity, new DiskHome(disk));
        _reports.ShouldAllBe(report => report.Outcome == SaveOutcome.Saved);
    }

    [Fact]
    public async Task The_ranks_of_a_job_share_what_each_of_them_wrote()
    {
        var disk = new SimulatedFileSystem();
        for (int round = 0; round < 2; round++)
        {
            var job = new JobOfThreads(disk);
            job.Run(JobTests.Four, rank =>
            {
                var model = new FrozenPart("student", 8);
                rank.Training.Further.Add(model);
                CheckpointManager checkpoints = rank.Start(Options());
                model.Head.ShouldBe(round == 0 ? 1 : 4);
                while (rank.Training.Train.Step < 3 * (round + 1))
                {
                    model.Head++;
                    rank.Training.Batch();
                    checkpoints.AfterBatch();
                }
            });
            foreach (SaveReport report in job.Ranks.SelectMany(rank => rank.Reports).Where(report => report.Step > 1))
                report.SharedBytes.ShouldBeGreaterThan(8 * FrozenPart.BaseBytes, $"step {report.Step}");
        }
        // Only one rank has both kinds.
        string.Join(' ', Catalog.Read(disk).Entries[0].Marker!.Files.Select(file => file.Name).Where(name => name.StartsWith("student", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
            .ShouldBe("student.frozen_tp1_pp0_dp0.safetensors student.safetensors student.tp0_pp0_dp1.safetensors student.tp1_pp0_dp0.safetensors student.tp1_pp0_dp1.safetensors");

        var alone = new FrozenPart("student", 8);
        CheckpointOptions options = Options();
        (options.ResumeFrom, options.ResumeParts, options.Branch) = ("6", ["student"], "alone");
        var training = new SampleTraining();
        await using (CheckpointManager.Start(new DiskHome(disk), options, training.Train, [alone], NullLoggerFactory.Instance, cancellationToken: TestContext.Current.CancellationToken))
            alone.Head.ShouldBe(7);
    }

    public void Dispose() => _folder.Dispose();

    async Task<FrozenPart> TrainAsync(long until, Action<CheckpointOptions> set, Action<long, FrozenPart>? before = null, IRunHome? home = null, FrozenPart? model = null)
    {
        CheckpointOptions options = Options();
        set(options);
        var training = new SampleTraining();
        model ??= new FrozenPart();
        await using CheckpointManager checkpoints = CheckpointManager.Start(home ?? new DiskHome(new LocalFileSystem(_folder["run"])), options, training.Train, [model], NullLoggerFactory.Instance, cancellationToken: TestContext.Current.CancellationToken);
        checkpoints.SaveEnded += (_, report) => _reports.Add(report);
        while (training.Train.Step < until)
        {
            training.Batch();
            model.Head++;
            before?.Invoke(training.Train.Step, model);
            checkpoints.AfterBatch();
            while (checkpoints.IsSaving)
                Thread.Yield();
        }
        checkpoints.Complete();
        return model;
    }

    static CheckpointOptions Options() => new() { Folder = "run", CheckpointEvery = 1, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false };

    long Length(string copy, string file) => new FileInfo(_folder[$"run/{copy}/{file}"]).Length;

    bool Same(string copy, string file, string other) => FileStatus.At(_folder[$"run/{copy}/{file}"])!.Value.IsSameFile(FileStatus.At(_folder[$"run/{other}/{file}"])!.Value);
}
