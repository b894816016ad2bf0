using System.Text;
using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Journal;
using Cairn.Policies;
using Cairn.Stores;
using Cairn.Tests.Manager;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests.Journal;

/// <summary>What the journal says of the start, of batches and of saves, as audit, report and people read it.</summary>
public class EventTests
{
    private readonly SimulatedFileSystem _disk = new();
    private readonly RunJournal _journal;

    public EventTests()
    {
        _disk.CreateFolder("");
        _journal = new RunJournal(_disk, TimeProvider.System, NullLogger.Instance);
    }

    [Fact]
    public void A_skipped_batch_is_written_once_with_its_reason()
    {
        var train = new TrainState();
        var batches = new BatchJournal(_journal, train);
        train.CompleteStep();
        batches.Skips();
        train.SkipBatch(TrainState.OverflowReason);
        batches.Skips();
        batches.Skips();
        JsonElement skipped = Events().ShouldHaveSingleItem();
        Text(skipped, "event").ShouldBe("skipped");
        Text(skipped, "reason").ShouldBe(TrainState.OverflowReason);
        skipped.GetProperty("batch").GetInt64().ShouldBe(2);
        skipped.GetProperty("step").GetInt64().ShouldBe(1);
    }

    [Theory]
    [InlineData(false, "finished")]
    [InlineData(true, "stopped")]
    public void The_end_says_how_many_steps_were_really_made(bool wasStopped, string name)
    {
        var train = new TrainState { TotalSteps = 500 };
        train.CompleteStep();
        train.SkipBatch("overflow");
        new BatchJournal(_journal, train).Ended(wasStopped);
        JsonElement ended = Events().ShouldHaveSingleItem();
        Text(ended, "event").ShouldBe(name);
        (ended.GetProperty("step").GetInt64(), ended.GetProperty("batch").GetInt64(), ended.GetProperty("skipped").GetInt64(), ended.GetProperty("total_steps").GetInt64()).ShouldBe((1, 2, 1, 500));
        _disk.FileExists(RunFolder.Progress).ShouldBeTrue();
    }

    [Fact]
    public void A_save_and_what_it_retired_are_events_of_their_own()
    {
        var log = new RecordedLog();
        new SaveJournal(_journal, log).Report(new SaveReport
        {
            Step = 30, Kind = SaveKind.Checkpoint, Reason = SaveReason.Interval, Outcome = SaveOutcome.Saved, Folder = "30", Bytes = 7, Notes = ["moved 30 aside"], Retired = [10, 20], NonFiniteTensor = "w",
            RetentionError = new IOException("busy"),
        });
        JsonElement[] events = Events();
        events.Select(found => Text(found, "event")).ShouldBe(["saved", "retired", "retired"]);
        (Text(events[0], "kind"), Text(events[0], "reason"), Text(events[0], "folder"), events[0].GetProperty("bytes").GetInt64()).ShouldBe(("checkpoint", "interval", "30", 7));
        events[0].GetProperty("notes").EnumerateArray().ShouldHaveSingleItem().GetString().ShouldBe("moved 30 aside");
        events.Skip(1).Select(found => found.GetProperty("step").GetInt64()).ShouldBe([10, 20]);
        string warned = string.Join('\n', log.At(LogLevel.Warning));
        warned.ShouldContain("moved 30 aside");
        warned.ShouldContain("'w'");
    }

    [Fact]
    public void What_fails_again_and_again_is_told_each_time_and_where_it_arose_once()
    {
        var log = new RecordedLog();
        var saves = new SaveJournal(_journal, log);
        for (int step = 1; step <= 3; step++)
            saves.Report(Save(step, SaveOutcome.Failed, new IOException($"no space {step}")));
        saves.Report(Save(4, SaveOutcome.Failed, new UnauthorizedAccessException("no right")));
        log.At(LogLevel.Error).Count().ShouldBe(4);
        log.At(LogLevel.Error).ElementAt(2).ShouldBe("The snapshot of step 3 was not saved. Training goes on, earlier copies are untouched: no space 3");
        log.Exceptions.Select(error => error.Message).ShouldBe(["no space 1", "no right"]);
    }

    [Fact]
    public void Of_snapshots_that_a_slow_store_drops_one_after_the_other_a_few_are_told()
    {
        var log = new RecordedLog();
        var saves = new SaveJournal(_journal, log);
        for (int step = 1; step <= 1000; step++)
        {
            saves.Drop(step, busy: 0);
            saves.Report(Save(step, SaveOutcome.Dropped, new IOException("on its way")));
        }
        string[] warned = [.. log.At(LogLevel.Warning)];
        warned.Length.ShouldBe(20);
        warned[^2].ShouldBe("The snapshot of step 512 was dropped: the save of step 0 is still being written. Dropped so far: 512; told again at twice as many");
        warned[^1].ShouldStartWith("The snapshot of step 512 was dropped: what stands in the fast folder is still on its way to the home.");
    }

    [Fact]
    public void A_small_copy_has_a_size_as_well()
    {
        var log = new RecordedLog();
        new SaveJournal(_journal, log).Report(Save(1, SaveOutcome.Saved) with { Folder = "snapshot/0", Bytes = 16_384 });
        log.At(LogLevel.Information).ShouldHaveSingleItem().ShouldStartWith("Saved snapshot 1 (snapshot): 16.4 kB in ");
    }

    private static SaveReport Save(long step, SaveOutcome outcome, Exception? error = null) => new() { Step = step, Kind = SaveKind.Snapshot, Reason = SaveReason.Snapshot, Outcome = outcome, Error = error };

    [Theory]
    [InlineData(SaveOutcome.Failed, "failed")]
    [InlineData(SaveOutcome.Refused, "refused")]
    [InlineData(SaveOutcome.Dropped, "dropped")]
    public void A_save_that_is_none_is_an_event_with_its_error(SaveOutcome outcome, string name)
    {
        new SaveJournal(_journal, NullLogger.Instance).Report(new SaveReport { Step = 30, Kind = SaveKind.Snapshot, Reason = SaveReason.Snapshot, Outcome = outcome, Error = new IOException("no room") });
        JsonElement failed = Events().ShouldHaveSingleItem();
        (Text(failed, "event"), Text(failed, "error")).ShouldBe((name, "no room"));
        failed.TryGetProperty("bytes", out _).ShouldBeFalse();
    }

    [Fact]
    public void A_start_with_rules_of_its_own_gives_them_in_words_and_no_intervals()
    {
        var options = new CheckpointOptions { CheckpointPolicy = SavePolicy.Every(TimeSpan.FromHours(1)), SnapshotEvery = 7 };
        var resume = new ResumeReport { Step = 0, Branch = Lineage.New.Current };
        new StartJournal(_journal).Report("run", resume, forked: false, new TrainState(), options, options.CreateSchedule(), ranks: 1);
        JsonElement started = Events().ShouldHaveSingleItem();
        Text(started, "checkpoint").ShouldBe("every 01:00:00");
        started.TryGetProperty("checkpoint_every", out _).ShouldBeFalse();
        started.GetProperty("snapshot_every").GetInt64().ShouldBe(7);
    }

    private static string? Text(JsonElement found, string name) => found.GetProperty(name).GetString();

    private JsonElement[] Events() =>
        [.. Encoding.UTF8.GetString(SmallFile.Read(_disk, RunFolder.Journal, 1 << 20)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonElement.Parse(line))];
}
