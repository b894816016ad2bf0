using System.Globalization;
using Cairn.Advice.Audit;
using Cairn.Policies;
using CsCheck;

namespace Cairn.Advice.Tests;

/// <summary>Logs as people have them: from terminals, launchers and progress bars, and of other trainers.</summary>
public class TrainingLogTests
{
    private static readonly DateTime Begin = new(2026, 1, 11, 20, 13, 44, DateTimeKind.Utc);

    [Fact]
    public void Colours_launchers_progress_bars_and_line_ends_of_Windows_change_nothing()
    {
        var training = new InternLmTraining(LogForm.Evo) { CheckpointEvery = 100, OverflowAt = [300] };
        training.Start(ranks: 2);
        training.Train();
        string[] whole = Messages(training.Lines);
        Func<string, IEnumerable<string>>[] disguises =
        [
            line => [$"\e[36m{line.Replace("INFO", "\e[1;32mINFO\e[0m", StringComparison.Ordinal)}\e[0m"],
            line => [$"[rank0]:{line}"], line => [$"[default0]:\e[2m{line}\e[22m"], line => [$" 0: node-17: {line}"], line => [$"[1,0]<stdout>:{line}"],
            line => [line + "\r"],
            line => [$"\rtrain:  37%|███▋      | 185/500 [01:06<01:53,  2.78it/s, loss=2.31]\rtrain:  38%|███▊      | 190/500 [01:08<01:51,  2.78it/s, loss=2.30]{line}"],
            line => ["\e]0;train.py\a" + line, "7: some warning of a library"],
        ];
        foreach (Func<string, IEnumerable<string>> disguise in disguises)
            Messages(training.Lines.SelectMany(disguise)).ShouldBe(whole, disguise("LINE").First());
    }

    [Fact]
    public void Of_torchtitan_steps_saves_restarts_and_the_end_are_known_though_not_every_step_is_printed()
    {
        string[] lines =
        [
            .. Titan(0, "Trainer is initialized with local batch size 8, global batch size 64, sequence length 2048, total steps 130 (warmup 2)", "Training starts at step 1"),
            .. Titan(1, Steps(1, 20)), .. Saved(20), .. Titan(21, Steps(30, 50)), .. Saved(50), .. Titan(51, Steps(60, 70)), .. Saved(70), .. Titan(71, Steps(80, 90)),
            "[rank0]: Traceback (most recent call last):", "[rank0]:   File \"train.py\", line 10, in <module>", "[rank0]: torch.OutOfMemoryError: CUDA out of memory.",
            .. Titan(1000, "Loading the checkpoint from outputs/checkpoint/step-75.", "Finished loading the checkpoint in 3.10 seconds.", "Training starts at step 76"),
            .. Titan(1001, Steps(80, 100)), .. Saved(1100), .. Titan(1101, Steps(110, 120)), .. Saved(1120), .. Titan(1121, Steps(130, 130)),
            .. Titan(1130, "Saving the checkpoint (or staging if async is enabled).", "Saving a full checkpoint at last step, step 130.", "Finished saving the checkpoint (or staging if async is enabled)in 4.50 seconds.", "Training completed"),
        ];
        RunHistory history = TrainingLogReader.Read([lines]);
        (history.Source, history.Configuration.TotalSteps, history.Configuration.CheckpointEvery).ShouldBe((HistorySource.TorchTitan, 130L, 25L));
        AuditReport report = RunAudit.Of(history);
        report.Saved.Select(save => save.Step).ShouldBe([25, 50, 75, 100, 125, 130]);
        (report.Steps, report.LostSteps, report.FinalCheckpoint).ShouldBe((130, 15, "130"));
        report.Stall.ShouldBe(TimeSpan.FromSeconds(5 * 2.25 + 4.5));
        history.Sessions.Select(session => (session.FirstStep, session.LastStep, session.End)).ShouldBe([(0, 90, SessionEnd.Failed), (75, 130, SessionEnd.Finished)]);
        history.Sessions[0].Error.ShouldBe("torch.OutOfMemoryError: CUDA out of memory");
        history.Sessions[1].ResumedFrom.ShouldBe("outputs/checkpoint/step-75");
        report.Due.ShouldAllBe(due => due.WhyMissing == null);
    }

    [Fact]
    public void Of_torchtitan_a_save_that_did_not_end_is_no_copy()
    {
        string[] lines = [.. Titan(0, "Training starts at step 1"), .. Titan(1, Steps(1, 50)), .. Titan(51, "Saving the checkpoint (or staging if async is enabled).")];
        AuditReport report = RunAudit.Of(TrainingLogReader.Read([lines]), new RunConfiguration { TotalSteps = 100 });
        report.Saved.ShouldBeEmpty();
        report.Findings[0].Message.ShouldContain("The last step, 50, has no checkpoint: its save failed (the log ends before the save does). There is no copy at all: all 50 steps are lost.");
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Of_OpenMMLab_and_the_first_XTuner_iterations_and_epochs_are_read(bool byEpoch)
    {
        string[] lines =
        [
            Mm(0, "Checkpoints will be saved to /data/work_dirs/internlm2."),
            .. Enumerable.Range(1, 30).SelectMany(n => (string[])[
                byEpoch ? Mm(n, $"Epoch(train)  [{(n + 9) / 10}][{(n + 9) % 10 + 1,2}/10]  lr: 2.0000e-04  eta: 0:00:27  loss: 1.5") : Mm(n, $"Iter(train) [{n,3}/768]  lr: 2.0000e-04  eta: 0:00:27  loss: 1.5"),
                .. n % 10 == 0 ? (string[])[Mm(n, byEpoch ? $"Saving checkpoint at {n / 10} epochs" : $"Saving checkpoint at {n} iterations")] : []]),
            Mm(100, "Auto resumed from the latest checkpoint /data/work_dirs/internlm2/iter_20.pth."), Mm(100, byEpoch ? "resumed epoch: 2, iter: 20" : "resumed epoch: 0, iter: 20"),
            byEpoch ? Mm(101, "Epoch(train)  [3][ 1/10]  lr: 2.0000e-04  loss: 1.5") : Mm(101, "Iter(train) [ 21/768]  lr: 2.0000e-04  loss: 1.5"),
        ];
        RunHistory history = TrainingLogReader.Read([lines]);
        (history.Source, history.Configuration.Folder, history.Configuration.TotalSteps).ShouldBe((HistorySource.MmEngine, "/data/work_dirs/internlm2", byEpoch ? null : 768));
        history.Sessions.Select(session => (session.FirstStep, session.LastStep, session.LostSteps)).ShouldBe([(0, 30, 0), (20, 21, 10)]);
        RunAudit.Of(history).Saved.Select(save => save.Step).ShouldBe([10, 20, 30]);
        history.Sessions[1].ResumedFrom.ShouldBe("/data/work_dirs/internlm2/iter_20.pth");
    }

    [Theory, InlineData(500, 100, 0), InlineData(1000, 50, 0), InlineData(250, 10, 0), InlineData(125, 10, 0), InlineData(25, 100, 0), InlineData(256, 10, 0), InlineData(125, 10, 1000), InlineData(25, 100, 1000), InlineData(30, 7, 0)]
    public void The_interval_that_a_log_does_not_name_is_found_in_a_whole_log_and_in_that_of_a_restart(int every, int printed, int from)
    {
        int last = from + (6 * every) + printed;
        List<string> lines = [.. from > 0 ? Titan(0, $"Loading the checkpoint from outputs/checkpoint/step-{from}.") : [], .. Titan(0, $"Training starts at step {from + 1}, with total steps 9000")];
        for (int step = from + 1; step <= last; step++)
        {
            if (step == 1 || step % printed == 0)
                lines.AddRange(Titan(step, $"step: {step,2}  loss:  3.7049"));
            if (step % every == 0)
                lines.AddRange(Saved(step));
        }
        RunHistory history = TrainingLogReader.Read([lines]);
        history.Configuration.CheckpointEvery.ShouldBe(every);
        history.Sessions.ShouldHaveSingleItem().Saves.Select(save => save.Step).ShouldBe(Enumerable.Range(1, (last - from) / every).Select(n => from + ((long)n * every)));
        AuditReport report = RunAudit.Of(history);
        report.Due.ShouldAllBe(due => due.WhyMissing == null);
        report.Findings.ShouldNotContain(finding => finding.Fault == AuditFault.RepeatedSave);
    }

    [Fact]
    public void Saves_that_fit_no_interval_accuse_nobody()
    {
        string[] lines = [.. Titan(0, "Training starts at step 1"), .. Titan(1, Steps(1, 20)), .. Saved(20), .. Saved(20), .. Titan(21, Steps(30, 90)), .. Saved(90), .. Titan(91, Steps(100, 100))];
        RunHistory history = TrainingLogReader.Read([lines]);
        AuditReport report = RunAudit.Of(history, new RunConfiguration { TotalSteps = 100 });
        report.Findings.ShouldContain(finding => finding.Message.StartsWith("The log does not name the steps of all saves"));
        report.Findings.ShouldNotContain(finding => finding.Fault == AuditFault.RepeatedSave || finding.Fault == AuditFault.MissingSave);
    }

    [Fact]
    public void A_log_that_begins_in_the_middle_and_one_that_begins_anew_are_told_apart()
    {
        string[] middle = [.. Titan(0, Steps(5010, 5500)), .. Saved(500), .. Titan(501, Steps(5510, 6000)), .. Saved(1000), .. Titan(1001, Steps(6010, 6050))];
        AuditReport report = RunAudit.Of(TrainingLogReader.Read([middle], checkpointEvery: 500), new RunConfiguration { CheckpointEvery = 500 });
        report.Due.Select(due => (due.Step, due.WhyMissing)).ShouldBe([(5500, null), (6000, null)]);
        string[] anew = [.. Enumerable.Range(1, 51).Select(n => Mm(n, $"Iter(train) [{n * 10}/1000]  loss: 1")), .. Enumerable.Range(1, 20).Select(n => Mm(100 + n, $"Iter(train) [{n * 10}/1000]  loss: 1"))];
        TrainingLogReader.Read([anew]).Sessions.Select(session => (session.FirstStep, session.LastStep, session.LostSteps, session.ResumedFrom)).ShouldBe([(0, 510, 0, null), (0, 200, 510, null)]);
    }

    [Fact]
    public void A_traceback_ends_a_process_only_if_no_step_follows_and_takes_the_save_with_it_that_nothing_came_after()
    {
        string[] traceback = ["Traceback (most recent call last):", "  File \"a.py\", line 1", "ValueError: first", "", "During handling of the above exception, another exception occurred:", "", "Traceback (most recent call last):", "OSError: [Errno 28] No space left on device"];
        string[] steps = [Mm(1, "Iter(train) [10/100]  loss: 1"), Mm(1, "Saving checkpoint at 10 iterations"), .. traceback, Mm(2, "Iter(train) [20/100]  loss: 1"), Mm(2, "Saving checkpoint at 20 iterations")];
        RunSession alive = TrainingLogReader.Read([steps]).Sessions.ShouldHaveSingleItem();
        (alive.End, alive.Saves.Count(save => save.Outcome == SaveOutcome.Saved)).ShouldBe((SessionEnd.Unknown, 2));
        RunSession dead = TrainingLogReader.Read([[.. steps, .. traceback]]).Sessions.ShouldHaveSingleItem();
        (dead.End, dead.Error, dead.Saves[1].Outcome).ShouldBe((SessionEnd.Failed, "OSError: [Errno 28] No space left on device", SaveOutcome.Failed));
    }

    [Fact]
    public void Dates_without_a_year_go_over_New_Year_and_the_29th_of_February()
    {
        string[] old = ["12/31 23:59:50 - mmengine - INFO - Iter(train) [ 10/100]  loss: 1", "12/31 23:59:59 - mmengine - INFO - Iter(train) [ 20/100]  loss: 1"];
        string[] next = ["01/01 00:00:08 - mmengine - INFO - Iter(train) [ 30/100]  loss: 1", "01/01 00:00:17 - mmengine - INFO - Saving checkpoint at 30 iterations"];
        foreach (IEnumerable<string>[] files in (IEnumerable<string>[][])[[[.. old, .. next]], [next, old], [old, next]])
        {
            RunSession session = TrainingLogReader.Read(files).Sessions.ShouldHaveSingleItem();
            (session.LastStep, session.LostSteps, session.Ended - session.Started).ShouldBe((30, 0, TimeSpan.FromSeconds(27)));
        }
        TrainingLogReader.Read([["02/29 12:00:00 - mmengine - INFO - Iter(train) [10/100]  loss: 1"]]).Sessions.ShouldHaveSingleItem().LastStep.ShouldBe(10);
    }

    [Fact]
    public void The_first_rank_that_prints_a_step_is_followed_and_epochs_are_counted_in_full()
    {
        string[] lines = ["[rank1]: " + Mm(0, "a warning"), .. Enumerable.Range(1, 6).SelectMany(n => (string[])[$"[rank0]: {Mm(n, $"Epoch(train)  [{(n + 2) / 3}][{((n - 1) % 3 * 50) + 50}/163]  loss: 1")}", .. n % 3 == 0 ? (string[])["[rank0]: " + Mm(n, $"Saving checkpoint at {n / 3} epochs")] : []])];
        RunHistory history = TrainingLogReader.Read([lines]);
        history.Sessions.ShouldHaveSingleItem().Saves.Select(save => save.Step).ShouldBe([163, 326]);
        history.Sessions[0].LastStep.ShouldBe(326);
    }

    [Fact]
    public void XTuner_tells_nothing_of_its_saves_and_that_is_said_unless_its_folder_is_given()
    {
        string[] lines =
        [
            .. Enumerable.Range(1, 40).SelectMany(n => Enumerable.Range(0, 4).Select(rank => XTuner(n, rank, $"Epoch 1 Step {n}/100 data_time: 0.0542 lr: 2.000000e-05 time: 4.9981 text_tokens: 3931.0 total_loss: 1.77900000 grad_norm: 13.948"))),
            XTuner(200, 0, "Resume from checkpoint: work_dir/20260111/checkpoints/ckpt-step-30"), XTuner(201, 0, "Epoch 1 Step 31/100 data_time: 0.05 lr: 2.0e-05 "),
        ];
        RunHistory history = TrainingLogReader.Read([lines]);
        history.Sessions.Select(session => (session.FirstStep, session.LastStep, session.LostSteps)).ShouldBe([(0, 40, 0), (30, 31, 10)]);
        history.Configuration.TotalSteps.ShouldBe(100);
        RunAudit.Of(history).Findings.ShouldContain(finding => finding.Message == "The log does not tell what was saved." && !finding.IsHarmful);
        AuditReport withFolder = RunAudit.Of(history, null, [new CopyOnDisk("ckpt-step-30", 30, SaveKind.Checkpoint, true)]);
        withFolder.Findings[0].Message.ShouldContain("The last step, 31, has no checkpoint: the log ends after 31 of 100 steps");
    }

    [Fact]
    public void No_line_whatever_throws() => Gen.Select(Gen.String.Array[0, 5], Gen.Int[0, 30], Gen.Int[0, 2]).Sample((noise, at, trainer) =>
    {
        string[] said = [.. noise, .. Steps(1, 20), "Iter(train) [ 99999999999999999999/2]", "Step 7/99999999999999999999 ", "Saving the checkpoint", "Saving checkpoint at 7 epochs", "Training starts at step 9", .. Steps(1, 5)];
        string[] lines = [.. said.Select((text, n) => trainer switch { 0 => Titan(n, text)[0], 1 => Mm(n, text), _ => XTuner(n, n % 2, text) })];
        RunAudit.Of(TrainingLogReader.Read([[.. lines.Take(at), .. noise, .. lines.Skip(at)]]));
    }, iter: 200);

    private static string[] Messages(IEnumerable<string> lines) => [.. RunAudit.Of(TrainingLogReader.Read([lines])).Findings.Select(finding => finding.Message)];

    // As torchtitan prints them: the first one, and each tenth.
    private static string[] Steps(int from, int to) =>
        [.. Enumerable.Range(from, to - from + 1).Where(step => step == 1 || step % 10 == 0).Select(step => $"\e[31mstep: {step,2}  \e[32mloss:  3.7049  \e[38;2;180;60;0mgrad_norm:  0.5423  \e[36mmemory: 36.20GiB(81.50%)  \e[34mtps: 1,710\e[39m")];

    private static string[] Titan(int second, params string[] messages) =>
        [.. messages.Select((message, i) => string.Create(CultureInfo.InvariantCulture, $"[rank0]:[titan] {Begin.AddSeconds(second):yyyy-MM-dd HH:mm:ss},{i:000} - root - INFO - {message}"))];

    private static string[] Saved(int second) => Titan(second, "Saving the checkpoint (or staging if async is enabled).", "Finished saving the checkpoint (or staging if async is enabled)in 2.25 seconds.");

    private static string Mm(int second, string message) => string.Create(CultureInfo.InvariantCulture, $"{Begin.AddSeconds(second):MM/dd HH:mm:ss} - mmengine - INFO - {message}");

    private static string XTuner(int second, int rank, string message) => string.Create(CultureInfo.InvariantCulture, $"[XTuner][RANK {rank}][{Begin.AddSeconds(second):yyyy-MM-dd HH:mm:ss}][INFO] {message}");
}
