using Cairn.Advice.Audit;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;
using Cairn.Tests.Manager;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Advice.Tests;

/// <summary>Audits of journals that the real manager wrote.</summary>
public class JournalAuditTests
{
    private readonly SimulatedFileSystem _files = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    [Fact]
    public async Task A_run_that_went_well_has_nothing_to_complain_of()
    {
        var training = new SampleTraining();
        await using (CheckpointManager checkpoints = Start(_files, training))
        {
            Batches(training, checkpoints, 100, overflowAt: 30);
            checkpoints.Complete();
        }
        AuditReport report = Audit();
        report.Findings.ShouldAllBe(finding => !finding.IsHarmful);
        (report.Steps, report.Batches, report.Skips["overflow"], report.FinalCheckpoint).ShouldBe((99, 100, 1, "99"));
        (report.Configuration.CheckpointEvery, report.Configuration.SnapshotEvery, report.Configuration.TotalSteps).ShouldBe((50, 10, 100));
        report.Due.Select(due => (due.Step, due.Kind)).ShouldBe([.. Enumerable.Range(1, 9).Select(i => (i * 10L, i == 5 ? SaveKind.Checkpoint : SaveKind.Snapshot))]);
        report.Due.ShouldAllBe(due => due.WhyMissing == null);
        report.Findings.ShouldContain(finding => finding.Fault == AuditFault.ShortOfPlan && finding.Message.Contains("overflow: 1"));
    }

    [Fact]
    public async Task A_killed_process_and_what_its_successor_lost_are_told()
    {
        var first = new SampleTraining();
        // It is never disposed, as after a kill.
        Batches(first, Start(_files, first), 27);
        var second = new SampleTraining();
        await using (CheckpointManager checkpoints = Start(_files, second))
        {
            Batches(second, checkpoints, 80);
            checkpoints.Complete();
        }
        AuditReport report = Audit();
        report.History.Sessions.Select(session => (session.FirstStep, session.LastStep, session.LostSteps, session.End))
            .ShouldBe([(0, 27, 0, SessionEnd.Unknown), (20, 100, 7, SessionEnd.Finished)]);
        (report.LostSteps, report.LostAtLeast).ShouldBe((7, true));
        report.FinalCheckpoint.ShouldBe("100");
        report.Findings.ShouldContain(finding => finding.Fault == AuditFault.LostSteps && finding.Message.StartsWith("At least 7 steps had to be repeated: the process before reached step 27 or more"));
        report.Findings.ShouldContain(finding => finding.Fault == AuditFault.BrokenEnd && finding.Message.Contains("without a word"));
    }

    [Fact]
    public void What_a_fall_back_to_an_older_copy_costs_is_lost_and_was_not_left_by_choice()
    {
        var first = new SampleTraining();
        Batches(first, Start(_files, first), 27);
        string newest = Catalog.Read(_files).Entries[0].Folder;
        _files.Append($"{newest}/context.json", " "u8, durable: true);
        Start(_files, new SampleTraining()).Resume.Step.ShouldBe(10);
        AuditReport report = Audit();
        (report.History.Sessions[^1].Branched, report.LostSteps, report.LostAtLeast).ShouldBe((true, 17, true));
    }

    [Theory, InlineData(6, false), InlineData(18, true)]
    public void A_crash_before_the_first_save_was_due_is_nothing_bad(int made, bool isBad)
    {
        var first = new SampleTraining();
        bool isAway = false;
        FaultyFileSystem faulty = FaultyFileSystem.Where(_files, call => isAway && call.Path.StartsWith(RunFolder.Staging, StringComparison.Ordinal));
        CheckpointManager checkpoints = Start(faulty, first);
        isAway = true;
        Batches(first, checkpoints, made);
        AuditReport killed = Audit();
        killed.Findings.ShouldContain(finding => finding.Fault == AuditFault.NoFinalCheckpoint && finding.Message.EndsWith($"There is no copy at all: at least {made} steps are lost."));
        isAway = false;
        Start(_files, new SampleTraining());
        AuditFinding lost = Audit().Findings.Single(finding => finding.Fault == AuditFault.LostSteps);
        (lost.IsHarmful, lost.Advice.StartsWith("Nothing was found to resume from.", StringComparison.Ordinal)).ShouldBe((isBad, isBad));
    }

    [Fact]
    public async Task An_exception_that_ended_a_process_is_told_with_what_it_said()
    {
        var training = new SampleTraining();
        CheckpointManager checkpoints = Start(_files, training);
        Batches(training, checkpoints, 12);
        await Should.ThrowAsync<InvalidOperationException>(() => checkpoints.RunAsync(_ => throw new InvalidOperationException("out of memory"), TestContext.Current.CancellationToken));
        await checkpoints.DisposeAsync();
        Audit().Findings.ShouldContain(finding => finding.Fault == AuditFault.BrokenEnd && finding.IsHarmful && finding.Message.Contains("out of memory"));
    }

    [Fact]
    public async Task A_save_that_failed_is_missing_for_that_reason()
    {
        bool isFull = false;
        FaultyFileSystem faulty = FaultyFileSystem.Where(_files, call => isFull && call.Path.StartsWith(RunFolder.Staging, StringComparison.Ordinal));
        var training = new SampleTraining();
        await using (CheckpointManager checkpoints = Start(faulty, training))
        {
            Batches(training, checkpoints, 45);
            isFull = true;
            Batches(training, checkpoints, 10);
            isFull = false;
            Batches(training, checkpoints, 45);
            checkpoints.Complete();
        }
        AuditReport report = Audit();
        report.Due.Where(due => due.WhyMissing is not null).ShouldHaveSingleItem().Step.ShouldBe(50);
        report.Findings.ShouldContain(finding => finding.Fault == AuditFault.MissingSave && finding.Message.StartsWith("1 checkpoint that was due is missing: 50"));
    }

    [Fact]
    public void Lines_that_are_cut_off_are_counted_and_passed_over()
    {
        RunHistory history = JournalReader.Read([
            """{"time":"2026-01-01T00:00:00+00:00","event":"started","run":"a","branch":0,"step":0,"batch":0,"checkpoint":"every 10 steps","snapshot":"never"}""",
            """{"time":"2026-01-01T00:01:00+00:00","event":"saved","step":10,"kind":"checkpoint","reason":"interval","stall_seconds":0.5,"folder":"10","bytes":7,"seconds":1}""",
            """{"time":"2026-01-01T00:02""",
            """{"time":"2026-01-01T00:02:00+00:00","event":"something newer","step":"x"}""",
        ]);
        history.Unreadable.ShouldBe(1);
        AuditReport report = RunAudit.Of(history);
        (report.Steps, report.ActiveTime, report.Stall.TotalSeconds).ShouldBe((10, TimeSpan.FromMinutes(2), 0.5));
        report.FinalCheckpoint.ShouldBe("10");
    }

    [Fact]
    public void What_was_recoverable_first_counts_once_and_is_missing_when_it_never_became_durable()
    {
        RunHistory history = JournalReader.Read([
            """{"time":"2026-01-01T00:00:00+00:00","event":"started","run":"a","branch":0,"step":0,"batch":0,"checkpoint":"every 10 steps","checkpoint_every":10,"snapshot":"never","snapshot_every":0}""",
            """{"time":"2026-01-01T00:01:00+00:00","event":"recoverable","step":10,"kind":"checkpoint","reason":"interval","stall_seconds":0.5,"folder":"/fast/copy-0","bytes":7,"seconds":1}""",
            """{"time":"2026-01-01T00:01:10+00:00","event":"drain_failed","step":10,"kind":"checkpoint","reason":"interval","stall_seconds":0,"error":"away"}""",
            """{"time":"2026-01-01T00:02:00+00:00","event":"resumed","run":"a","branch":0,"step":10,"batch":10,"checkpoint":"every 10 steps","checkpoint_every":10,"snapshot":"never","snapshot_every":0}""",
            """{"time":"2026-01-01T00:02:10+00:00","event":"saved","step":10,"kind":"checkpoint","reason":"interval","stall_seconds":0,"folder":"10","bytes":7,"seconds":70}""",
            """{"time":"2026-01-01T00:03:00+00:00","event":"recoverable","step":20,"kind":"checkpoint","reason":"interval","stall_seconds":0.25,"folder":"/fast/copy-1","bytes":7,"seconds":1}""",
        ]);
        AuditReport report = RunAudit.Of(history);
        report.Saved.ShouldHaveSingleItem().Step.ShouldBe(10);
        report.Stall.TotalSeconds.ShouldBe(0.75);
        report.Due.Where(due => due.WhyMissing is not null).ShouldHaveSingleItem().WhyMissing!.ShouldContain("fast folder");
    }

    [Fact]
    public void Lines_with_counts_that_no_run_reaches_are_counted_and_passed_over()
    {
        RunHistory history = JournalReader.Read([
            """{"time":"2026-01-01T00:00:00+00:00","event":"started","step":0,"batch":0}""",
            """{"time":"2026-01-01T00:01:00+00:00","event":"saved","step":10,"kind":"checkpoint","folder":"10","bytes":9223372036854775807}""",
            """{"time":"2026-01-01T00:01:00+00:00","event":"resumed","step":10,"batch":10,"lost_steps":9223372036854775807}""",
            """{"time":"2026-01-01T00:01:00+00:00","event":"skipped","step":-10,"batch":11}""",
        ]);
        history.Unreadable.ShouldBe(3);
        Should.NotThrow(() => RunAudit.Of(history));
    }

    private static CheckpointOptions Options() => new() { Folder = "run", TotalSteps = 100, CheckpointEvery = 50, SnapshotEvery = 10, Asynchronous = false, HandleSignals = false };

    private CheckpointManager Start(IFileSystem files, SampleTraining training) => CheckpointManager.Start(files, Options(), training.Train, [training.Weights], time: _time);

    private void Batches(SampleTraining training, CheckpointManager checkpoints, int count, int overflowAt = -1)
    {
        for (int batch = 1; batch <= count; batch++)
        {
            training.Batch(overflow: batch == overflowAt);
            _time.Advance(TimeSpan.FromSeconds(1));
            checkpoints.AfterBatch();
        }
    }

    private AuditReport Audit()
    {
        string journal = System.Text.Encoding.UTF8.GetString(SmallFile.Read(_files, RunFolder.Journal, 1 << 20));
        CopyOnDisk[] copies = [.. Catalog.Read(_files).Entries.Select(entry => new CopyOnDisk(entry.Folder, entry.Step, entry.Kind, entry.Fault is null, entry.Fault?.Reason))];
        return RunAudit.Of(JournalReader.Read(journal.Split('\n')), null, copies);
    }
}
