using System.Text;
using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stopping;
using Cairn.Stores;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.Manager;

/// <summary>A run is told by its file <c>command</c>, and answers in its journal.</summary>
public class CommandTests
{
    private readonly SimulatedFileSystem _files = new();
    private readonly SampleTraining _training = new();
    private readonly FakeTimeProvider _time = new();

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_save_that_is_asked_for_is_made_and_answered(bool asynchronous)
    {
        await using CheckpointManager checkpoints = Start(asynchronous: asynchronous);
        Batches(checkpoints, 3);
        Ask("save id=a");
        Batches(checkpoints, 1);
        for (int i = 0; i < 1000 && Answers("a").Count < 2; i++)
            Batches(checkpoints, 1);
        Answers("a").Select(answer => answer.GetProperty("state").GetString()).ShouldBe(["accepted", "done"]);
        Answers("a")[1].GetProperty("checkpoint").GetInt64().ShouldBe(4);
        _files.FileExists(RunFolder.Command).ShouldBeFalse();
        Catalog.Read(_files).Entries.ShouldContain(entry => entry.Step == 4 && entry.Kind == SaveKind.Checkpoint && entry.Marker != null);
        checkpoints.StopRequested.ShouldBeFalse();
    }

    [Fact]
    public async Task A_stop_at_a_step_waits_for_it_and_is_answered_when_the_end_is_saved()
    {
        await using CheckpointManager checkpoints = Start();
        Ask("stop 5 id=b");
        Batches(checkpoints, 4);
        checkpoints.StopRequested.ShouldBeFalse();
        _training.Batch();
        Tick();
        checkpoints.AfterBatch().ShouldBeFalse();
        Answers("b").Select(answer => (answer.GetProperty("state").GetString(), answer.GetProperty("step").GetInt64())).ShouldBe([("accepted", 1), ("done", 5)]);
        Catalog.Read(_files).Entries[0].Marker!.Reason.ShouldBe(SaveReason.Stop);
    }

    [Fact]
    public async Task A_command_from_before_the_start_does_not_stop_the_run()
    {
        _files.CreateFolder("");
        Ask("stop id=old");
        await using CheckpointManager checkpoints = Start();
        Answers("old").ShouldHaveSingleItem().GetProperty("state").GetString().ShouldBe("refused");
        Batches(checkpoints, 2);
        checkpoints.StopRequested.ShouldBeFalse();
    }

    [Fact]
    public async Task What_the_run_never_reaches_is_answered_at_its_end()
    {
        await using CheckpointManager checkpoints = Start();
        Ask("save 100 id=c");
        Batches(checkpoints, 2);
        Ask("save id=late");
        checkpoints.Complete();
        Answers("c")[^1].GetProperty("state").GetString().ShouldBe("ended");
        Answers("late")[^1].GetProperty("state").GetString().ShouldBe("done", "the end was saved, which is what was asked for");
    }

    [Fact]
    public async Task A_command_that_cannot_be_read_is_refused_and_training_goes_on()
    {
        await using CheckpointManager checkpoints = Start();
        Ask("please stop");
        Batches(checkpoints, 1);
        Events("command").ShouldHaveSingleItem().GetProperty("problem").GetString()!.ShouldContain("Write 'save' or 'stop'");
        _files.FileExists(RunFolder.Command).ShouldBeFalse();
        checkpoints.StopRequested.ShouldBeFalse();
    }

    [Fact]
    public async Task A_save_is_refused_where_nothing_is_saved()
    {
        await using CheckpointManager checkpoints = Start(enabled: false);
        Ask("save id=d");
        Batches(checkpoints, 1);
        Answers("d").ShouldHaveSingleItem().GetProperty("problem").GetString()!.ShouldContain("switched off");
    }

    [Fact]
    public async Task A_step_that_has_its_checkpoint_is_answered_with_it()
    {
        await using CheckpointManager checkpoints = Start(every: 2);
        Batches(checkpoints, 1);
        Ask("save 2 id=e");
        Batches(checkpoints, 1);
        Answers("e")[^1].GetProperty("checkpoint").GetInt64().ShouldBe(2);
        Events("saved").Count.ShouldBe(1, "and saved once");
    }

    [Fact]
    public async Task A_command_that_is_written_slowly_is_heard_when_its_line_is_whole()
    {
        await using CheckpointManager checkpoints = Start();
        foreach (string written in (string[])["", "st", "stop id", "stop id=slow"])
        {
            Put(written);
            Batches(checkpoints, 1);
            Events("command").ShouldBeEmpty($"after '{written}'");
            checkpoints.StopRequested.ShouldBeFalse();
        }
        Put("stop id=slow\n");
        Batches(checkpoints, 1);
        checkpoints.StopRequested.ShouldBeTrue();
        Answers("slow")[^1].GetProperty("state").GetString().ShouldBe("done");
    }

    [Fact]
    public async Task A_command_without_the_end_of_its_line_counts_once_it_has_stopped_growing()
    {
        await using CheckpointManager checkpoints = Start();
        Put("save id=n");
        Batches(checkpoints, 1);
        Answers("n").ShouldBeEmpty();
        Batches(checkpoints, 3);
        Answers("n")[^1].GetProperty("state").GetString().ShouldBe("done");
    }

    [Fact]
    public async Task Training_goes_on_while_the_mount_of_the_commands_hangs_and_hears_them_when_it_is_back()
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var mount = new ManualResetEventSlim();
        var files = new FaultyFileSystem(_files, point =>
        {
            if (point is { Call: FileSystemCall.OpenRead, Path: RunFolder.Command })
            {
                reached.TrySetResult();
                mount.Wait();
            }
            return null;
        });
        await using CheckpointManager checkpoints = CheckpointManager.Start(
            files, new CheckpointOptions { Folder = "run", HandleSignals = false }, _training.Train, [_training.Weights], cancellationToken: TestContext.Current.CancellationToken);
        Ask("stop id=h");
        await reached.Task;
        SpecialFile.Ends(() => Batches(checkpoints, 3));
        checkpoints.StopRequested.ShouldBeFalse();
        mount.Set();
        SpecialFile.Ends(() =>
        {
            while (!checkpoints.StopRequested)
                Batches(checkpoints, 1);
        });
        Answers("h")[^1].GetProperty("state").GetString().ShouldBe("done");
    }

    [Fact]
    public async Task A_stop_file_is_heard_at_the_batch_after_it_was_looked_at()
    {
        using var folder = new TemporaryFolder();
        await using CheckpointManager checkpoints = CheckpointManager.Start(
            _files, new CheckpointOptions { Folder = "run", StopFile = folder["stop"], HandleSignals = false }, _training.Train, [_training.Weights], time: _time, cancellationToken: TestContext.Current.CancellationToken);
        Batches(checkpoints, 2);
        await File.WriteAllTextAsync(folder["stop"], "+4", TestContext.Current.CancellationToken);
        Batches(checkpoints, 1);
        checkpoints.StopRequested.ShouldBeFalse();
        Batches(checkpoints, 1);
        checkpoints.StopRequested.ShouldBeTrue();
        Catalog.Read(_files).Entries[0].Step.ShouldBe(4);
    }

    [Fact]
    public void A_command_that_is_written_while_the_one_before_is_taken_away_is_not_lost()
    {
        _files.CreateFolder("");
        Ask("save");
        bool asked = false;
        var files = new FaultyFileSystem(_files, point =>
        {
            if (!asked && point is { Call: FileSystemCall.Move or FileSystemCall.DeleteFile, Path: RunFolder.Command })
            {
                asked = true;
                Ask("stop");
            }
            return null;
        });
        var commands = new CommandFile(files, _time);
        new[] { commands.Take(asItIs: false), commands.Take(asItIs: false) }.ShouldContain(text => text == "stop\n");
    }

    private CheckpointManager Start(bool asynchronous = false, bool enabled = true, long every = 1000) => CheckpointManager.Start(
        _files, new CheckpointOptions { Folder = "run", CheckpointEvery = every, SnapshotEvery = 0, Asynchronous = asynchronous, Enabled = enabled, HandleSignals = false }, _training.Train, [_training.Weights], time: _time);

    private void Batches(CheckpointManager checkpoints, int count)
    {
        for (int i = 0; i < count; i++)
        {
            _training.Batch();
            Tick();
            checkpoints.AfterBatch();
        }
    }

    // The run looks at most ten times a second.
    private void Tick() => _time.Advance(TimeSpan.FromSeconds(1));

    private void Ask(string text) => Put(text + "\n");

    private void Put(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        using IWritableFile file = _files.OpenWrite(RunFolder.Command, bytes.Length);
        file.Write(0, bytes);
    }

    private List<JsonElement> Answers(string id) => [.. Events("command").Where(line => line.TryGetProperty("id", out JsonElement found) && found.GetString() == id)];

    private List<JsonElement> Events(string name)
    {
        if (!_files.FileExists(RunFolder.Journal))
            return [];
        return
        [
            .. Encoding.UTF8.GetString(SmallFile.Read(_files, RunFolder.Journal, 1 << 20)).Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line => JsonDocument.Parse(line).RootElement).Where(line => line.GetProperty("event").GetString() == name),
        ];
    }
}
