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
        history.Sessions[0].Error.ShouldBe("torch.OutOfMemoryError: CUDA out of memory.");
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
            Mm(0, "Checkpoints will be saved to /work/work_dirs/internlm2."),
            .. Enumerable.Range(1, 30).SelectMany(n => (string[])[
                byEpoch ? Mm(n, $"Epoch(train)  [{(n + 9) / 10}][{(n + 9) % 10 + 1,2}/10]  lr: 2.0000e-04  eta: 0:00:27  loss: 1.5") : Mm(n, $"Iter(train) [{n,3}/768]  lr: 2.0000e-04  eta: 0:00:27  loss: 1.5"),
                .. n % 10 == 0 ? (string[])[Mm(n, byEpoch ? $"Saving checkpoint at {n / 10} epochs" : $"Saving checkpoint at {n} iterations")] : []]),
            Mm(100, "Auto resumed from the latest checkpoint /work/work_dirs/internlm2/iter_20.pth."), Mm(100, byEpoch ? "resumed epoch: 2, iter: 20" : "resumed epoch: 0, iter: 20"),
            byEpoch ? Mm(101, "Epoch(train)  [3][ 1/10]  lr: 2.0000e-04  loss: 1.5") : Mm(101, "Iter(train) [ 21/768]  lr: 2.0000e-04  loss: 1.5"),
        ];
        RunHistory history = TrainingLogReader.Read([lines]);
        (history.Source, history.Configuration.Folder, history.Configuration.TotalSteps).ShouldBe((HistorySource.MmEngine, "/work/work_dirs/internlm2", byEpoch ? null : 768));
        history.Sessions.Select(session => (session.FirstStep, session.LastStep, session.LostSteps)).ShouldBe([(0, 30, 0), (20, 21, 10)]);
        RunAudit.Of(history).Saved.Select(save => save.Step).ShouldBe([10, 20, 30]);
        history.Sessions[1].ResumedFrom.ShouldBe("/work/work_dirs/internlm2/iter_20.pth");
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
