using Cairn.Opening;
using Cairn.Policies;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager;

/// <summary>What else stands in the run's folder: of a line that was left, of another run, of nobody.</summary>
public class OtherCopiesTests
{
    readonly SimulatedFileSystem _files = new();
    readonly SampleTraining _training = new();

    static CheckpointOptions Options => new() { Folder = "run", CheckpointEvery = 100, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false };

    [Fact]
    public async Task A_file_that_has_the_name_of_a_copy_is_moved_aside_for_it()
    {
        CheckpointOptions options = Options;
        options.SnapshotEvery = 1;
        var notes = new List<string>();
        await using (CheckpointManager checkpoints = _training.Start(_files, options))
        {
            checkpoints.SaveEnded += (_, report) => notes.AddRange(report.Notes);
            _files.CreateFolder("snapshot");
            _files.Append("snapshot/0", "not ours"u8, durable: true);
            _files.Append("2", "not ours"u8, durable: true);
            Train(checkpoints, 2);
            checkpoints.Complete().Unsaved.ShouldBe(0);
        }
        notes.Count.ShouldBe(2);
        notes.ShouldAllBe(note => note.Contains("was a file in the way"));
        _files.FileExists("abandoned/2").ShouldBeTrue();
        _files.FileExists("abandoned/file-snapshot-0").ShouldBeTrue();
        (await CheckReadableAsync()).ShouldBe(2);
    }

    [Fact]
    public async Task Retention_keeps_the_newest_and_what_was_left_behind_on_another_branch()
    {
        CheckpointOptions options = Options;
        options.CheckpointEvery = 10;
        options.KeepLast = 2;
        await using (CheckpointManager checkpoints = _training.Start(_files, options))
            Train(checkpoints, 50);
        Steps().ShouldBe([50, 40]);
        options.ResumeFrom = "40";
        options.Branch = "other";
        var second = new SampleTraining();
        await using (CheckpointManager checkpoints = second.Start(_files, options))
        {
            second.TrainTo(checkpoints, 49);
        }
        Steps().ShouldBe([50, 49, 40]);
        (await CheckReadableAsync()).ShouldBe(49);
    }

    [Fact]
    public async Task Another_runs_copies_in_the_folder_are_neither_retired_nor_a_reason_to_branch()
    {
        CheckpointOptions options = Options;
        options.CheckpointEvery = 10;
        options.KeepLast = 2;
        await using (CheckpointManager checkpoints = _training.Start(_files, options))
            Train(checkpoints, 10);
        var other = new Saving.SampleRun(_files);
        other.Save(SaveKind.Checkpoint, 5);
        other.Save(SaveKind.Checkpoint, 15);
        other.Save(SaveKind.Snapshot, 90);
        for (int restart = 0; restart < 2; restart++)
        {
            var training = new SampleTraining();
            await using CheckpointManager checkpoints = training.Start(_files, options);
            checkpoints.Resume.Branch.Id.ShouldBe(0);
            long until = training.Train.Step + 20;
            training.TrainTo(checkpoints, until);
        }
        Steps().ShouldBe([50, 40, 15, 5]);
    }

    [Fact]
    public async Task A_checkpoint_of_a_line_that_was_left_is_not_taken_for_the_end_of_the_present_one()
    {
        CheckpointOptions options = Options;
        options.CheckpointEvery = 5;
        await using (CheckpointManager checkpoints = _training.Start(_files, options))
            Train(checkpoints, 10);
        (options.CheckpointEvery, options.SnapshotEvery, options.ResumeFrom, options.Branch) = (100, 1, "5", "other");
        // Killed where the line that was left has its last checkpoint.
        var killed = new SampleTraining();
        CheckpointManager before = killed.Start(_files, options);
        killed.TrainTo(before, 10);
        await using CheckpointManager again = new SampleTraining().Start(_files, options);
        (again.Resume.Step, again.LastCheckpoint).ShouldBe((10, 5));
        again.Complete();
        Catalog.Read(_files).Entries.First(entry => entry.Kind == SaveKind.Checkpoint).Marker!.Lineage.Current.Name.ShouldBe("other");
    }

    async Task<long> CheckReadableAsync()
    {
        await using CheckpointManager checkpoints = new SampleTraining().Start(_files, Options);
        return checkpoints.Resume.Step;
    }

    void Train(CheckpointManager checkpoints, long until) => _training.TrainTo(checkpoints, until);

    IEnumerable<long> Steps() => Catalog.Read(_files).Entries.Where(entry => entry.Kind == SaveKind.Checkpoint).Select(entry => entry.Step);
}
