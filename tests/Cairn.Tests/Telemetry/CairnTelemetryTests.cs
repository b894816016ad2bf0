using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Cairn.Checkpoints;
using Cairn.Policies;
using Cairn.Telemetry;
using Cairn.Tests.Manager;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Telemetry;

/// <summary>What an OpenTelemetry set-up hears. Meters and activities are the process's: each test knows its own by a number that no other uses.</summary>
public class CairnTelemetryTests
{
    [Fact]
    public void A_save_gives_its_stall_duration_and_bytes_by_tier()
    {
        const double Stall = 12_345.5;
        using var heard = new HeardMeters();
        CairnTelemetry.Record(ReportOf(SaveOutcome.Saved) with { Stall = TimeSpan.FromSeconds(Stall), Duration = TimeSpan.FromSeconds(2 * Stall), Bytes = 12_345_678_901 });
        heard.Of("cairn.save.stall").ShouldContain(found => found.Value == Stall && found.Tags["cairn.kind"] == "snapshot");
        heard.Of("cairn.save.duration").ShouldContain(found => found.Value == 2 * Stall);
        heard.Of("cairn.save.size").ShouldContain(found => found.Value == 12_345_678_901);
    }

    [Fact]
    public void A_save_that_is_none_is_counted_by_its_outcome_and_has_no_duration()
    {
        const double Stall = 23_456.5;
        using var heard = new HeardMeters();
        CairnTelemetry.Record(ReportOf(SaveOutcome.Refused) with { Stall = TimeSpan.FromSeconds(Stall), Duration = TimeSpan.FromSeconds(Stall + 1) });
        heard.Of("cairn.save.stall").ShouldContain(found => found.Value == Stall);
        heard.Of("cairn.save.duration").ShouldNotContain(found => found.Value == Stall + 1);
        heard.Of("cairn.saves").ShouldContain(found => found.Value == 1 && found.Tags["cairn.outcome"] == "refused" && found.Tags["cairn.kind"] == "snapshot");
    }

    [Fact]
    public void A_start_counts_the_copy_that_it_takes_and_those_that_it_refuses()
    {
        using var heard = new HeardMeters();
        CheckpointFault Fault(string folder, string file) => new(folder, $"{folder}/{file}", "damaged");
        CairnTelemetry.Record(new ResumeReport { Step = 1, Source = "1", Branch = Lineage.New.Current, LostSteps = 34_567, PassedOver = [.. Enumerable.Range(0, 98_765).Select(copy => Fault($"{copy}", "a")), Fault("0", "b")] });
        heard.Of("cairn.resume.copies").ShouldContain(found => found.Value == 98_765 && found.Tags["cairn.outcome"] == "refused");
        heard.Of("cairn.resume.copies").ShouldContain(found => found.Value == 1 && found.Tags["cairn.outcome"] == "verified");
        heard.Of("cairn.resume.lost_steps").ShouldContain(found => found.Value == 34_567);
    }

    [Fact]
    public async Task A_skipped_batch_is_counted_by_its_reason()
    {
        using var heard = new HeardMeters();
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(new SimulatedFileSystem(), new CheckpointOptions { HandleSignals = false });
        training.Train.SkipBatch("a reason of this test");
        checkpoints.AfterBatch();
        heard.Of("cairn.skipped_batches").ShouldContain(found => found.Value == 1 && found.Tags["cairn.reason"] == "a reason of this test");
    }

    [Fact]
    public void The_documented_metrics_are_those_that_there_are()
    {
        using var heard = new HeardMeters();
        using var gauges = new RunGauges("run", TimeProvider.System, static () => null, null);
        string page = File.ReadAllText(Path.Combine(RepositoryFolder.Path, "docs", "telemetry.md"));
        Instrument[] known = [.. heard.Instruments.Values];
        known.Length.ShouldBeGreaterThan(10);
        foreach (Instrument metric in known)
        {
            string kind = metric.GetType().Name.Split('`')[0] switch { "ObservableGauge" => "gauge", var name => name.ToLowerInvariant() };
            page.ShouldContain($"| `{metric.Name}` | `{metric.Unit}` | {kind} |");
        }
        page.Split('\n').Count(line => line.StartsWith("| `cairn.", StringComparison.Ordinal) && line.Split('|').Length == 7).ShouldBe(known.Length);
    }

    [Fact]
    public async Task A_save_is_an_activity_below_that_of_the_program_and_its_stages_are_below_it_on_the_writers_thread()
    {
        var ended = new ConcurrentQueue<Activity>();
        using ActivityListener listener = Listen(ended);
        using Activity program = new Activity("training").Start();
        var training = new SampleTraining();
        await using (CheckpointManager checkpoints = training.Start(new SimulatedFileSystem(), new CheckpointOptions { CheckpointEvery = 2, SnapshotEvery = 0, HandleSignals = false }))
        {
            while (training.Train.Step < 2)
            {
                training.Batch();
                checkpoints.AfterBatch();
                // It goes on with the writer, and what the program does next is none of it.
                Activity.Current.ShouldBe(program);
            }
            checkpoints.Complete();
        }
        Activity[] all = [.. ended.Where(activity => activity.RootId == program.RootId)];
        Activity save = all.Where(activity => activity.OperationName == "cairn.save").ShouldHaveSingleItem();
        save.ParentId.ShouldBe(program.Id);
        save.Status.ShouldNotBe(ActivityStatusCode.Error);
        (save.GetTagItem("cairn.step"), save.GetTagItem("cairn.kind"), save.GetTagItem("cairn.rank"), save.GetTagItem("cairn.outcome")).ShouldBe((2L, "checkpoint", 0, "saved"));
        all.Where(activity => activity != save).ShouldAllBe(activity => activity.ParentId == save.Id);
        all.Where(activity => activity != save).Select(activity => activity.OperationName)
            .ShouldBe(["cairn.save.plan", "cairn.save.compare", "cairn.save.prepare", "cairn.save.write", "cairn.save.seal", "cairn.save.publish", "cairn.save.capture"], ignoreOrder: true);
    }

    [Fact]
    public void A_rank_without_an_activity_of_its_own_joins_that_of_the_first()
    {
        var ended = new ConcurrentQueue<Activity>();
        using ActivityListener listener = Listen(ended);
        using Activity first = new Activity("training of the first rank").Start();
        Activity.Current = null;
        using (Activity? save = SaveActivity.Begin("cairn.save", 7, SaveKind.Checkpoint, rank: 3, first.Id))
            save!.TraceId.ShouldBe(first.TraceId);
        ended.ShouldContain(activity => activity.ParentId == first.Id && (int)activity.GetTagItem("cairn.rank")! == 3);
    }

    [Fact]
    public async Task A_save_that_fails_is_an_error_in_its_stage_and_as_a_whole()
    {
        var ended = new ConcurrentQueue<Activity>();
        using ActivityListener listener = Listen(ended);
        using Activity program = new Activity("training").Start();
        var training = new SampleTraining();
        var files = new BreakableFileSystem(new SimulatedFileSystem());
        await using CheckpointManager checkpoints = training.Start(files, new CheckpointOptions { CheckpointEvery = 1, HandleSignals = false, Asynchronous = false });
        files.BreakAt(0);
        training.Batch();
        checkpoints.AfterBatch();
        files.Mend();
        ended.Where(activity => activity.RootId == program.RootId && activity.Status == ActivityStatusCode.Error).Select(activity => activity.OperationName).ShouldBe(["cairn.save.prepare", "cairn.save"]);
    }

    private static ActivityListener Listen(ConcurrentQueue<Activity> ended)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == CairnTelemetry.SourceName,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = ended.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    private static SaveReport ReportOf(SaveOutcome outcome) => new() { Step = 1, Kind = SaveKind.Snapshot, Reason = SaveReason.Snapshot, Outcome = outcome };
}
