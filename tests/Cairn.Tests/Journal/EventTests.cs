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
