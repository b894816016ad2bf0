using Cairn.State;
using CsCheck;

namespace Cairn.Tests;

public class TrainStateTests
{
    [Fact]
    public void A_completed_step_counts_as_step_and_batch()
    {
        TrainState state = new();
        state.CompleteStep(samples: 8, tokens: 4096, loss: 2.5, learningRate: 1e-3);
        state.CompleteStep(samples: 8);
        (state.Step, state.Batch, state.SkippedBatches).ShouldBe((2, 2, 0));
        (state.ConsumedSamples, state.ConsumedTokens).ShouldBe((16, 4096));
        (state.LastLoss, state.LastLearningRate).ShouldBe((2.5, 1e-3));
    }

    [Fact]
    public void A_skipped_batch_is_no_step_and_is_counted_by_its_reason()
    {
        TrainState state = new();
        state.SkipBatch(TrainState.OverflowReason, samples: 4);
        state.SkipBatch("bad_data");
        state.SkipBatch(TrainState.OverflowReason);
        (state.Step, state.Batch, state.SkippedBatches, state.ConsumedSamples).ShouldBe((0, 3, 3, 4));
        state.SkipsByReason.ShouldBe(new Dictionary<string, long>(StringComparer.Ordinal) { ["bad_data"] = 1, ["overflow"] = 2 }, ignoreOrder: true);
    }

    [Fact]
    public void A_skip_without_a_reason_is_refused_and_counts_nothing()
    {
        TrainState state = new();
        Should.Throw<ArgumentException>(() => state.SkipBatch(" "));
        Should.Throw<ArgumentOutOfRangeException>(() => state.CompleteStep(samples: -1));
        state.Batch.ShouldBe(0);
    }

    [Fact]
    public void A_new_epoch_starts_its_samples_anew_and_keeps_the_total()
    {
        TrainState state = new();
        state.CompleteStep(samples: 8);
        state.CompleteEpoch();
        state.CompleteStep(samples: 3);
        (state.Epoch, state.SamplesInEpoch, state.ConsumedSamples).ShouldBe((1, 3, 11));
    }

    [Fact]
    public void What_is_captured_comes_back() =>
        Gen.Select(Gen.Long[0, 1000], Gen.Long[0, 1000], Gen.Long[0, 1L << 50], Gen.Double, Gen.String.AlphaNumeric).Sample((steps, skips, tokens, loss, text) =>
        {
            TrainState state = new() { Step = steps, ConsumedTokens = tokens, Batch = steps, TotalSteps = steps + 5, LastLoss = loss, LogFolder = text };
            for (int i = 0; i < skips; i++)
                state.SkipBatch("r" + i % 3);
            state.Metrics["m"] = loss;
            state.Values["mine"] = text;

            TrainState copy = TrainState.FromState(state.Capture());
            (copy.Step, copy.Batch, copy.SkippedBatches, copy.ConsumedTokens, copy.TotalSteps).ShouldBe((steps, steps + skips, skips, tokens, steps + 5));
            copy.LastLoss.ShouldBe(loss);
            copy.LogFolder.ShouldBe(text);
            copy.Metrics["m"].ShouldBe(loss);
            copy.SkipsByReason.ShouldBe(state.SkipsByReason);
            ((StateScalar)copy.Values["mine"]).Value.ShouldBe(text);
        }, iter: 100);

    [Fact]
    public void A_metric_belongs_to_the_step_at_which_it_was_set_and_comes_back_all_the_same()
    {
        TrainState state = new() { Step = 3, Batch = 3 };
        state.Metrics["old"] = 0.5;
        state.CompleteStep();
        state.Metrics["new"] = double.NaN;
        StateMap saved = state.Capture();
        ((StateMap)saved["metrics"]).Keys.ShouldBe(["new"]);
        TrainState copy = TrainState.FromState(saved);
        copy.Metrics["old"].ShouldBe(0.5);
        (copy.StepOfMetric("old"), copy.StepOfMetric("new"), copy.StepOfMetric("none")).ShouldBe((3, 4, null));
        copy.OwnMetrics.Keys.ShouldBe(["new"]);
        copy.CompleteStep();
        copy.OwnMetrics.ShouldBeEmpty();
        copy.Metrics["old"] = 0.25;
        copy.OwnMetrics.ShouldBe(new Dictionary<string, double>(StringComparer.Ordinal) { ["old"] = 0.25 });
    }

    [Fact]
    public void What_was_captured_does_not_change_with_the_live_state()
    {
        TrainState state = new();
        state.Values["list"] = new StateList([1L]);
        StateMap saved = state.Capture();
        ((StateList)state.Values["list"]).Add(2L);
        state.CompleteStep();
        TrainState copy = TrainState.FromState(saved);
        copy.Step.ShouldBe(0);
        ((StateList)copy.Values["list"]).Count.ShouldBe(1);
    }

    [Fact]
    public void An_InternLM_file_counts_its_last_batch_from_zero()
    {
        TrainState state = TrainState.FromState(new StateMap
        {
            ["batch_count"] = 499L,
            ["step_count"] = 497L,
            ["inf_nan_skip_batches"] = 3L,
            ["num_consumed_samples_in_epoch"] = 4000L,
            ["num_consumed_tokens"] = 1_000_000L,
            ["tensorboard_folder"] = "runs/tb",
        });
        (state.Batch, state.Step, state.SkippedBatches).ShouldBe((500, 497, 3));
        (state.SamplesInEpoch, state.ConsumedSamples, state.ConsumedTokens).ShouldBe((4000, 4000, 1_000_000));
        state.SkipsByReason[TrainState.OverflowReason].ShouldBe(3);
        state.LogFolder.ShouldBe("runs/tb");
        ((StateScalar)state.Capture()["batch_count"]).Value.ShouldBe(499L);
    }

    [Fact]
    public void An_old_file_without_a_step_takes_the_shifted_batch_for_it() =>
        TrainState.FromState(new StateMap { ["batch_count"] = 249L }).Step.ShouldBe(250);

    [Fact]
    public void The_configured_total_wins_over_the_saved_one()
    {
        StateMap saved = new TrainState { TotalSteps = 500 }.Capture();
        TrainState configured = new() { TotalSteps = 800 };
        configured.Restore(saved);
        configured.TotalSteps.ShouldBe(800);
        TrainState.FromState(saved).TotalSteps.ShouldBe(500);
    }

    [Fact]
    public void A_bad_file_is_refused_with_all_that_is_wrong_and_changes_nothing()
    {
        TrainState state = new() { Step = 7, Batch = 7 };
        StateMap bad = new() { ["step_count"] = -1L, ["inf_nan_skip_batches"] = "three", ["metrics"] = 1L };
        StateMismatchException problem = Should.Throw<StateMismatchException>(() => state.Restore(bad));
        problem.Problems.Missing.ShouldBe(["context.batch_count"]);
        problem.Problems.Mismatched.Count.ShouldBe(3);
        problem.Message.ShouldContain("context.batch_count is missing");
        state.Step.ShouldBe(7);
    }

    [Fact]
    public void Keys_of_a_newer_version_are_ignored()
    {
        StateMap saved = new TrainState { Step = 3, Batch = 3 }.Capture();
        saved["from_the_future"] = true;
        TrainState.FromState(saved).Step.ShouldBe(3);
    }

    [Fact]
    public void A_run_without_a_planned_end_is_never_complete()
    {
        new TrainState { Step = 5 }.IsComplete.ShouldBeFalse();
        new TrainState { Step = 5, TotalSteps = 5 }.IsComplete.ShouldBeTrue();
    }
}
