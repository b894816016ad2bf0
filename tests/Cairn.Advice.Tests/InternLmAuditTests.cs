using Cairn.Advice.Audit;
using Cairn.Policies;
using CsCheck;

namespace Cairn.Advice.Tests;

public class InternLmAuditTests
{
    public static TheoryData<LogForm> Forms => [LogForm.First, LogForm.Evo, LogForm.Service];

    [Theory, MemberData(nameof(Forms))]
    public void The_reported_case_is_told_as_it_was(LogForm form)
    {
        var training = new InternLmTraining(form) { OverflowAt = [300] };
        training.Start(ranks: 8);
        training.Train();
        training.Markers.ShouldBe(["snapshot/0/250.step"], "that is the case");

        AuditReport report = RunAudit.Of(Read(training), new RunConfiguration { TotalSteps = 500 });
        (report.Batches, report.Steps, report.Skips["overflow"], report.LostSteps).ShouldBe((500, 499, 1, 0));
        report.FinalCheckpoint.ShouldBeNull();
        AuditFinding finding = report.Findings[0];
        finding.Fault.ShouldBe(AuditFault.NoFinalCheckpoint);
        finding.Message.ShouldBe(
            "The last step, 499, has no checkpoint: InternLM saves the end only when step_count equals total_steps, and of 500 batches 1 was skipped (overflow: 1, batch 301), " +
            "so step_count ended at 499 and never was 500. The newest copy is of step 250 (local:llm_ckpts/snapshot/0): 249 steps are lost.");
        finding.Advice.ShouldContain("Resume from step 250");
        report.Findings.ShouldContain(found => found.Fault == AuditFault.ShortOfPlan && found.Message.Contains("Completed 499 of 500 steps"));
    }

    [Fact]
    public void Without_the_plan_the_reason_is_given_as_a_condition()
    {
        var training = new InternLmTraining(LogForm.Evo) { OverflowAt = [300] };
        training.Start();
        training.Train();
        RunAudit.Of(Read(training)).Findings[0].Message.ShouldContain("if total_steps was 500");
    }

    [Fact]
    public void What_is_on_the_disk_counts_more_than_what_the_log_says()
    {
        var training = new InternLmTraining(LogForm.Evo) { CheckpointEvery = 250 };
        training.Start();
        training.Train();
        RunAudit.Of(Read(training)).FinalCheckpoint.ShouldBe("local:llm_ckpts/500");
        AuditReport report = RunAudit.Of(Read(training), null, [new CopyOnDisk("250", 250, SaveKind.Checkpoint, true), new CopyOnDisk("500", 500, SaveKind.Checkpoint, false, "there is no marker")]);
        report.FinalCheckpoint.ShouldBeNull();
        report.Findings[0].Message.ShouldContain("what stands in 500 cannot be used (there is no marker)");
    }

    [Theory, MemberData(nameof(Forms))]
    public void A_last_batch_with_a_NaN_norm_was_skipped_though_no_line_names_it(LogForm form)
    {
        var training = new InternLmTraining(form) { TotalSteps = 12, SnapshotEvery = 11, NanAt = [11] };
        training.Start();
        training.Train();
        AuditReport report = RunAudit.Of(Read(training), new RunConfiguration { TotalSteps = 12 });
        (report.Steps, report.Batches, report.Skips["nan gradients"]).ShouldBe((11, 12, 1));
        AuditFinding finding = report.Findings.Single(found => found.Fault == AuditFault.NoFinalCheckpoint);
        finding.Message.ShouldContain("of 12 batches 1 was skipped (nan gradients: 1, batch 12)");
        finding.Message.ShouldEndWith("The newest copy is of step 11 (local:llm_ckpts/snapshot/0): nothing is lost.");
        finding.Advice.ShouldStartWith("Resume from step 11; no step has to be repeated.");
    }

    [Fact]
    public void Batches_with_a_NaN_norm_anywhere_are_counted_once()
    {
        var training = new InternLmTraining(LogForm.Evo) { TotalSteps = 40, CheckpointEvery = 10, SnapshotEvery = 0, NanAt = [0, 9, 10, 11, 25, 39], OverflowAt = [12, 26] };
        training.Start();
        training.Train();
        // A console's copy of the log holds each line a second time.
        string[] console = [.. training.Lines.Select(line => $"0: {line}")];
        foreach (RunHistory history in (RunHistory[])[Read(training), TrainingLogReader.Read([training.Lines, console])])
        {
            AuditReport report = RunAudit.Of(history, new RunConfiguration { TotalSteps = 40 });
            (report.Steps, report.Batches).ShouldBe((32, 40));
            report.Skips.ShouldBe(new Dictionary<string, long>(StringComparer.Ordinal) { ["nan gradients"] = 6, ["overflow"] = 2 }, ignoreOrder: true);
        }
    }

    [Fact]
    public void A_single_lost_step_is_one_step()
    {
        var training = new InternLmTraining(LogForm.Evo) { TotalSteps = 12, SnapshotEvery = 5, OverflowAt = [11] };
        training.Start();
        training.Train();
        AuditFinding finding = RunAudit.Of(Read(training), new RunConfiguration { TotalSteps = 12 }).Findings.Single(found => found.Fault == AuditFault.NoFinalCheckpoint);
        finding.Message.ShouldEndWith("1 step is lost.");
        finding.Advice.ShouldStartWith("Resume from step 10 and train the last step again.");
    }

    [Fact]
    public void A_step_that_stands_still_is_saved_again_and_that_is_said()
    {
        // Batch 250 is the one after step 250: the step stays at 250, and is saved again.
        var training = new InternLmTraining(LogForm.Evo) { OverflowAt = [250, 251] };
        training.Start();
        training.Train();
        training.Markers.ShouldBe(["snapshot/0/250.step", "snapshot/1/250.step"], "both slots hold one step");
        RunAudit.Of(Read(training)).Findings.ShouldContain(finding => finding.Fault == AuditFault.RepeatedSave && finding.Message.Contains("Step 250"));
    }

    [Theory, MemberData(nameof(Forms))]
    public void A_restart_in_the_same_log_says_what_it_lost(LogForm form)
    {
        var training = new InternLmTraining(form) { CheckpointEvery = 100, SnapshotEvery = 20, OverflowAt = [5, 150], SkipList = [30, 31] };
        training.Start();
        training.Train(until: 177);
        training.Raise("RuntimeError: NCCL communicator was aborted on rank 0.");
        training.Resume("local:llm_ckpts/snapshot/1", 160, 164, 2);
        training.Train(from: 164);
        AuditReport report = RunAudit.Of(Read(training), new RunConfiguration { TotalSteps = 500, SnapshotEvery = 20 });
        report.History.Sessions.Count.ShouldBe(2);
        RunSession first = report.History.Sessions[0], second = report.History.Sessions[1];
        (first.LastStep, first.LastBatch, first.End, first.Error).ShouldBe((173, 177, SessionEnd.Failed, "RuntimeError: NCCL communicator was aborted on rank 0."));
        (second.FirstStep, second.FirstBatch, second.LostSteps, second.LastStep).ShouldBe((160, 164, 13, 496));
        report.LostSteps.ShouldBe(13);
        report.Skips.ShouldBe(new Dictionary<string, long>(StringComparer.Ordinal) { ["overflow"] = 2, ["on the skip list"] = 2 }, ignoreOrder: true);
        report.Due.ShouldAllBe(due => due.WhyMissing == null);
        report.Due.Count(due => due.Kind == SaveKind.Checkpoint).ShouldBe(4);
    }

    [Fact]
    public void Files_of_many_ranks_and_lines_between_each_other_give_the_same_picture()
    {
        var training = new InternLmTraining(LogForm.Evo) { OverflowAt = [300] };
        training.Start(ranks: 8);
        training.Train();
        AuditReport whole = RunAudit.Of(Read(training));
        // The console's copy holds every line twice, with the rank that srun puts in front; another rank's file holds nothing of training.
        string[] console = [.. training.Lines.SelectMany(line => (string[])[$"0: {line}", "7: some warning of a library"])];
        string[] other = [.. training.Lines.Where(line => line.Contains("New Run"))];
        AuditReport parts = RunAudit.Of(TrainingLogReader.Read([training.Lines, console, other]));
        (parts.Steps, parts.Batches, parts.LostSteps).ShouldBe((whole.Steps, whole.Batches, 0));
        parts.Findings.Select(finding => finding.Message).ShouldBe(whole.Findings.Select(finding => finding.Message));
    }

    [Fact]
    public void A_save_that_the_process_did_not_live_to_end_is_no_copy()
    {
        var training = new InternLmTraining(LogForm.Evo) { CheckpointEvery = 100 };
        training.Start();
        training.Train(until: 199);
        training.DieWhileSaving();
        AuditReport report = RunAudit.Of(Read(training), new RunConfiguration { TotalSteps = 500 });
        report.Saved.Select(save => save.Step).ShouldBe([100]);
        report.Findings.ShouldContain(finding => finding.Fault == AuditFault.NoFinalCheckpoint && finding.Message.Contains("the log ends before the save does"));
    }

    [Fact]
    public void Time_spent_on_saves_is_added_up()
    {
        var training = new InternLmTraining(LogForm.Evo) { CheckpointEvery = 10, SnapshotEvery = 0, SaveSeconds = 30 };
        training.Start();
        training.Train();
        AuditReport report = RunAudit.Of(Read(training), new RunConfiguration { TotalSteps = 500 });
        report.Stall.ShouldBe(TimeSpan.FromSeconds(50 * 30));
        report.Findings.ShouldContain(finding => finding.Fault == AuditFault.SlowSaves);
        report.FinalCheckpoint.ShouldBe("local:llm_ckpts/500");
    }

    [Fact]
    public void Whatever_was_skipped_steps_and_batches_come_out_right() => Gen.Select(Gen.Int[1, 199].HashSet[0, 12], Gen.Int[1, 199].HashSet[0, 5], Gen.Enum<LogForm>()).Sample((overflow, list, form) =>
    {
        var training = new InternLmTraining(form) { TotalSteps = 200, CheckpointEvery = 50, SnapshotEvery = 10, OverflowAt = [.. overflow.Select(batch => (long)batch)], SkipList = [.. list.Select(batch => (long)batch)] };
        training.Start();
        training.Train();
        AuditReport report = RunAudit.Of(Read(training), new RunConfiguration { TotalSteps = 200, SnapshotEvery = 10 });
        report.Steps.ShouldBe(training.Step);
        report.Batches.ShouldBe(200);
        report.Skips.Values.Sum().ShouldBe(200 - training.Step);
        report.Due.ShouldAllBe(due => due.WhyMissing == null);
        (report.FinalCheckpoint is not null).ShouldBe(training.Markers.Any(marker => marker == $"{training.Step}/{training.Step}.step"));
    }, iter: 50);

    [Fact]
    public void No_line_whatever_throws() => Gen.Select(Gen.String.Array[0, 5], Gen.Int[0, 20]).Sample((noise, at) =>
    {
        var training = new InternLmTraining(LogForm.Evo) { TotalSteps = 10, CheckpointEvery = 5 };
        training.Start();
        training.Train();
        string[] lines = [.. training.Lines.Take(at), .. noise, .. noise.Select(text => "2024-03-28 09:15:00,003\tINFO a.py:1 in f -- " + text), .. training.Lines.Skip(at)];
        RunAudit.Of(TrainingLogReader.Read([lines]));
    }, iter: 200);

    private static RunHistory Read(InternLmTraining training) => TrainingLogReader.Read([training.Lines]);
}
