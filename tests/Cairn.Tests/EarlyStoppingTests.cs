using Cairn.Ranks;
using Cairn.State;
using Cairn.Tests.Manager;
using Cairn.Tests.Ranks;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests;

/// <summary>Training ends when a metric has stopped to improve, and a restart knows it.</summary>
public class EarlyStoppingTests
{
    const string Loss = "validation_loss";

    readonly TrainState _train = new();

    [Fact]
    public void Patience_counts_evaluations_without_an_improvement_and_an_improvement_begins_anew()
    {
        var early = new EarlyStopping(_train, Loss, patience: 2, minDelta: 0.1);
        Evaluate(early, 1.0, 0.95, 0.5, 0.45).ShouldBe([false, false, false, false]);
        (early.BestValue, early.BestStep, early.WithoutImprovement).ShouldBe((0.5, 3, 1));
        Evaluate(early, 0.41).ShouldBe([true]);
        early.StoppedBecause.ShouldBe("validation_loss has not improved in 2 evaluations; the best is 0.5 of step 3");
        _train.FinishedBecause.ShouldBe(early.StoppedBecause);
    }

    [Fact]
    public void A_step_counts_once_and_one_without_the_metric_not_at_all()
    {
        var early = new EarlyStopping(_train, Loss, patience: 2);
        Evaluate(early, 1.0, 2.0).ShouldBe([false, false]);
        early.Evaluate().ShouldBeFalse();
        _train.CompleteStep();
        early.Evaluate().ShouldBeFalse();
        early.WithoutImprovement.ShouldBe(1);
    }

    [Fact]
    public void NaN_and_infinity_are_no_improvement_or_the_end_as_told()
    {
        var patient = new EarlyStopping(_train, Loss, patience: 3, higherIsBetter: true);
        Evaluate(patient, double.NaN, double.PositiveInfinity).ShouldBe([false, false]);
        patient.BestValue.ShouldBeNull();
        Evaluate(patient, double.NaN).ShouldBe([true]);
        patient.StoppedBecause.ShouldBe("validation_loss had no finite value in 3 evaluations");
        _train.Reopen();
        Evaluate(new EarlyStopping(_train, Loss, patience: 3) { StopAtNonFinite = true }, double.NaN).ShouldBe([true]);
        _train.FinishedBecause.ShouldBe("validation_loss is NaN");
    }

    [Fact]
    public void A_diverged_metric_ends_training_at_once()
    {
        Evaluate(new EarlyStopping(_train, Loss, patience: 9) { DivergenceThreshold = 5 }, 1, 5, 5.5).ShouldBe([false, false, true]);
        _train.FinishedBecause.ShouldBe("validation_loss is 5.5, worse than 5");
    }

    [Fact]
    public void State_comes_back_in_the_middle_of_the_patience_and_after_the_stop()
    {
        var early = new EarlyStopping(_train, Loss, patience: 3);
        Evaluate(early, 1.0, 2.0);
        StateMap middle = early.Capture();
        Evaluate(early, 2.0, 2.0).ShouldBe([false, true]);
        var train = new TrainState { Step = 2 };
        var again = new EarlyStopping(train, Loss, patience: 3);
        again.Restore(middle);
        (again.BestValue, again.BestStep, again.WithoutImprovement, train.IsComplete).ShouldBe((1.0, 1, 1, false));
        // Of the step that was judged before it was saved, nothing is judged again.
        train.Metrics[Loss] = 2.0;
        again.Evaluate();
        again.WithoutImprovement.ShouldBe(1);
        again.Restore(early.Capture());
        train.FinishedBecause.ShouldBe(early.StoppedBecause);
        // Taken back, there is a new patience.
        train.Reopen();
        train.CompleteStep();
        train.Metrics[Loss] = 3.0;
        again.Evaluate().ShouldBeFalse();
        (again.WithoutImprovement, again.BestValue).ShouldBe((1, 1.0));
    }

    [Fact]
    public void A_larger_plan_trains_on_and_another_metric_is_told_and_begins_anew()
    {
        _train.TotalSteps = 10;
        var early = new EarlyStopping(_train, Loss, patience: 1);
        Evaluate(early, 1.0, 2.0).ShouldBe([false, true]);
        var longer = new TrainState { TotalSteps = 20 };
        new EarlyStopping(longer, Loss, patience: 1).Restore(early.Capture());
        longer.IsComplete.ShouldBeFalse();
        var other = new EarlyStopping(longer, "accuracy", patience: 1, higherIsBetter: true);
        List<SettingDifference> differences = [];
        other.WithProgramSettings(early.Capture(), differences);
        differences.Single().ToString().ShouldContain("accuracy, higher is better");
        other.Restore(early.Capture());
        other.BestValue.ShouldBeNull();
    }

    [Fact]
    public void Damaged_state_is_refused_and_changes_nothing()
    {
        var early = new EarlyStopping(_train, Loss, patience: 2);
        Evaluate(early, 1.0);
        StateMap saved = early.Capture();
        saved["best"] = double.NaN;
        saved["evaluations_without_improvement"] = -1L;
        Should.Throw<StateMismatchException>(() => early.Restore(saved)).Problems.Mismatched.Count.ShouldBe(2);
        early.BestValue.ShouldBe(1.0);
    }

    [Fact]
    public void All_ranks_stop_by_the_first_ones_value()
    {
        var mail = new InProcessRanks(3);
        bool[] stopped = new bool[3];
        mail.RunThreads(rank =>
        {
            var train = new TrainState();
            var early = new EarlyStopping(train, Loss, patience: 1, ranks: new RankGroup(mail.Transport(rank), new Cairn.Checkpoints.World(1, 1, 3, 1), clock: mail.Clock));
            // The others have measured nothing, or what looks better.
            for (int i = 0; i < 2; i++)
            {
                train.CompleteStep();
                if (rank != 1)
                    train.Metrics[Loss] = rank == 0 ? 1 : -i;
                stopped[rank] = early.Evaluate();
            }
            early.BestValue.ShouldBe(1);
        });
        stopped.ShouldAllBe(stop => stop);
    }

    // Killed between the last checkpoint and the record that the run is finished, and at any other operation: started again, it trains neither longer nor shorter than the run that was not killed.
    [Fact]
    public void Killed_at_any_operation_and_started_again_it_stops_where_it_would_have()
    {
        var files = new SimulatedFileSystem();
        Run(files).ShouldBe(7);
        int states = 0;
        int drawn = Random.Shared.Next(3 * RandomFaults.Stride);
        foreach (CrashState state in files.CrashStates())
        {
            if (states++ % (3 * RandomFaults.Stride) == drawn)
                Run(state.FileSystem).ShouldBe(7, state.Description);
        }
        states.ShouldBeGreaterThan(50);
    }

    static long Run(SimulatedFileSystem files)
    {
        var training = new SampleTraining();
        var early = new EarlyStopping(training.Train, Loss, patience: 3);
        var checkpoints = CheckpointManager.Start(
            files, new CheckpointOptions { Folder = "run", CheckpointEvery = 2, SnapshotEvery = 1, HandleSignals = false, Asynchronous = false }, training.Train, [training.Weights, early], NullLoggerFactory.Instance);
        while (!training.Train.IsComplete)
        {
            training.Batch();
            // The best is that of step 4.
            training.Train.Metrics[Loss] = Math.Abs(training.Train.Step - 4) + 1;
            early.Evaluate();
            checkpoints.AfterBatch();
        }
        checkpoints.Complete();
        return training.Train.Step;
    }

    bool[] Evaluate(EarlyStopping early, params double[] losses) =>
    [
        .. losses.Select(loss =>
        {
            _train.CompleteStep();
            _train.Metrics[Loss] = loss;
            return early.Evaluate();
        }),
    ];
}
