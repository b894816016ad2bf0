using Cairn.Policies;
using CsCheck;

namespace Cairn.Tests.Policies;

public class SaveScheduleTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly SaveDecision Final = new(SaveKind.Checkpoint, SaveReason.Final);
    private static readonly SaveDecision Interval = new(SaveKind.Checkpoint, SaveReason.Interval);
    private static readonly SaveDecision Snapshot = new(SaveKind.Snapshot, SaveReason.Snapshot);

    [Fact]
    public void The_reported_run_of_500_batches_with_3_skips_gets_its_final_checkpoint_at_497()
    {
        List<(long Step, SaveDecision Decision)> saves = Train(Every(500, 250), batches: 500, skip: batch => batch is 100 or 200 or 300);
        saves.ShouldBe([(250, Snapshot), (497, Final)]);
    }

    [Fact]
    public void A_checkpoint_that_is_due_replaces_the_snapshot()
    {
        List<(long Step, SaveDecision Decision)> saves = Train(Every(20, 10), batches: 40);
        saves.ShouldBe([(10, Snapshot), (20, Interval), (30, Snapshot), (40, Interval)]);
    }

    [Fact]
    public void Any_run_saves_each_step_at_most_once_of_each_kind_and_always_its_end() =>
        Gen.Select(Gen.Long[1, 30], Gen.Long[1, 30], Gen.Int[1, 200], Gen.Bool.Array[200]).Sample((checkpoints, snapshots, batches, skipped) =>
        {
            List<(long Step, SaveDecision Decision)> saves = Train(Every(checkpoints, snapshots), batches, batch => skipped[batch - 1]);
            long last = skipped.Take(batches).Count(skip => !skip);
            saves.Select(save => (save.Step, save.Decision.Kind)).Distinct().Count().ShouldBe(saves.Count);
            saves.Count(save => save.Step == last && save.Decision.Kind == SaveKind.Checkpoint).ShouldBe(last > 0 ? 1 : 0);
            saves.Where(save => save.Decision.Reason == SaveReason.Interval).ShouldAllBe(save => save.Step % checkpoints == 0);
        });

    [Fact]
    public void A_skipped_batch_right_after_a_save_does_not_save_again()
    {
        List<(long Step, SaveDecision Decision)> saves = Train(Every(10, 5), batches: 13, skip: batch => batch is 6 or 12);
        saves.ShouldBe([(5, Snapshot), (10, Interval), (11, Final)]);
    }

    [Fact]
    public void The_end_at_a_step_that_has_its_checkpoint_saves_nothing() =>
        Every(10, 5).Decide(new SaveSituation(10, 9, Start, new SavedTier(10, Start), default, SaveRequests.Final | SaveRequests.Stop)).ShouldBeNull();

    [Fact]
    public void The_end_at_a_step_that_has_only_a_snapshot_saves_a_checkpoint() =>
        Every(10, 5).Decide(new SaveSituation(5, 5, Start, default, new SavedTier(5, Start), SaveRequests.Final)).ShouldBe(Final);

    [Fact]
    public void Nothing_is_saved_before_the_first_step_unless_asked_by_hand()
    {
        SaveSchedule schedule = Every(1, 1);
        schedule.Decide(new SaveSituation(0, 0, Start, default, default)).ShouldBeNull();
        schedule.Decide(new SaveSituation(0, 0, Start, default, default, SaveRequests.Final | SaveRequests.Signal)).ShouldBeNull();
        schedule.Decide(new SaveSituation(0, 0, Start, default, default, SaveRequests.Manual))
            .ShouldBe(new SaveDecision(SaveKind.Checkpoint, SaveReason.Manual));
    }

    [Theory]
    [InlineData(SaveRequests.Final | SaveRequests.Signal | SaveRequests.Stop | SaveRequests.Manual, SaveReason.Final)]
    [InlineData(SaveRequests.Signal | SaveRequests.Stop | SaveRequests.Manual, SaveReason.Signal)]
    [InlineData(SaveRequests.Stop | SaveRequests.Manual, SaveReason.Stop)]
    [InlineData(SaveRequests.Manual, SaveReason.Manual)]
    [InlineData(SaveRequests.None, SaveReason.Interval)]
    internal void Of_several_reasons_the_weightiest_is_given(SaveRequests requests, SaveReason reason) =>
        Every(10, 5).Decide(new SaveSituation(10, 9, Start, default, default, requests))
            .ShouldBe(new SaveDecision(SaveKind.Checkpoint, reason));

    [Fact]
    public void A_snapshot_by_time_is_not_due_right_after_a_checkpoint()
    {
        SaveSchedule schedule = new(SavePolicy.Never, SavePolicy.Every(TimeSpan.FromMinutes(10)));
        SavedTier checkpoint = new(20, Start.AddMinutes(30)), snapshot = new(10, Start);
        schedule.Decide(new SaveSituation(21, 20, Start.AddMinutes(31), checkpoint, snapshot)).ShouldBeNull();
        schedule.Decide(new SaveSituation(30, 29, Start.AddMinutes(40), checkpoint, snapshot)).ShouldBe(Snapshot);
    }

    private static SaveSchedule Every(long checkpoints, long snapshots) => new(SavePolicy.EverySteps(checkpoints), SavePolicy.EverySteps(snapshots));

    private static List<(long Step, SaveDecision Decision)> Train(SaveSchedule schedule, int batches, Func<int, bool>? skip = null)
    {
        List<(long, SaveDecision)> saves = [];
        SavedTier checkpoint = new(null, Start), snapshot = new(null, Start);
        TrainState state = new();
        for (int batch = 1; batch <= batches; batch++)
        {
            long previous = state.Step;
            if (skip?.Invoke(batch) == true)
                state.SkipBatch(TrainState.OverflowReason);
            else
                state.CompleteStep();
            Ask(previous, SaveRequests.None);
        }
        Ask(state.Step, SaveRequests.Final);
        return saves;

        void Ask(long previous, SaveRequests requests)
        {
            if (schedule.Decide(new SaveSituation(state.Step, previous, Start, checkpoint, snapshot, requests)) is not { } decision)
                return;
            saves.Add((state.Step, decision));
            if (decision.Kind == SaveKind.Checkpoint)
                checkpoint = new SavedTier(state.Step, Start);
            else
                snapshot = new SavedTier(state.Step, Start);
        }
    }
}
