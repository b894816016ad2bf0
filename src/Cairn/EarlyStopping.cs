using System.Globalization;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.State;

namespace Cairn;

/// <summary>
/// Ends training when a metric has stopped to improve (Keras' and Lightning's <c>EarlyStopping</c>). Give it to the manager among the parts: its best value, its count and whether it has stopped are
/// saved with each copy, so that a restart goes on in the middle of the patience, and one after the stop trains no more. Belongs to the training thread.
/// </summary>
/// <example><code>
/// var early = new EarlyStopping(train, "validation_loss", patience: 5);
/// … after train.CompleteStep(), when the step is one to evaluate:
/// train.Metrics["validation_loss"] = Evaluate(model);
/// early.Evaluate();                    // before AfterBatch, so that the copy of this step knows of it
/// </code></example>
public sealed class EarlyStopping : ISettingsPart
{
    private const string MetricKey = "metric", HigherKey = "higher_is_better", BestKey = "best", BestStepKey = "best_step", CountKey = "evaluations_without_improvement", LastKey = "last_step",
        StoppedKey = "stopped_because", StoppedStepKey = "stopped_step", StoppedTotalKey = "stopped_total_steps";

    private readonly TrainState _train;
    private readonly BestRule _rule;
    private readonly RankGroup _ranks;
    private long? _last, _stoppedStep, _stoppedTotal;

    /// <summary>Early stopping by one metric.</summary>
    /// <param name="train">The run's counters, whose <see cref="TrainState.Metrics"/> are watched and whose <see cref="TrainState.Finish"/> is called.</param>
    /// <param name="metric">The metric's name.</param>
    /// <param name="patience">Evaluations in a row without an improvement after which training ends; at least 1.</param>
    /// <param name="minDelta">By more than this, in the metric's unit, a value must be better than the best to be an improvement.</param>
    /// <param name="higherIsBetter">Whether a higher value is better; lower is, as for a loss, unless this is set.</param>
    /// <param name="ranks">The ranks of the job: the value of the first one counts on all, so that all stop after the same batch. Without them each rank must be given the same values.</param>
    /// <param name="name">The part's name.</param>
    /// <exception cref="ArgumentException">The metric has no name, <paramref name="patience"/> is below 1, or <paramref name="minDelta"/> is negative or not finite.</exception>
    public EarlyStopping(TrainState train, string metric, int patience, double minDelta = 0, bool higherIsBetter = false, RankGroup? ranks = null, string name = "early_stopping")
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentException.ThrowIfNullOrWhiteSpace(metric);
        ArgumentOutOfRangeException.ThrowIfLessThan(patience, 1);
        if (!(minDelta >= 0) || double.IsInfinity(minDelta))
            throw new ArgumentOutOfRangeException(nameof(minDelta), minDelta, "The smallest improvement must be 0 or more, and finite.");
        (_train, _rule, _ranks, Patience, Name) = (train, new BestRule(WellFormedText.Repaired(metric), higherIsBetter, minDelta), ranks ?? RankGroup.Single, patience, name);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>The metric's name.</summary>
    public string Metric => _rule.Metric;

    /// <summary>Evaluations in a row without an improvement after which training ends.</summary>
    public int Patience { get; }

    /// <summary>Ends training at once when the metric is worse than this, in its unit. Default <see langword="null"/>: no such limit.</summary>
    public double? DivergenceThreshold { get; init; }

    /// <summary>Ends training at once when the metric is NaN or infinite (Lightning's <c>check_finite</c>). Default <see langword="false"/>: such a value is an evaluation without an improvement.</summary>
    public bool StopAtNonFinite { get; init; }

    /// <summary>The best value so far; <see langword="null"/> before the first finite one.</summary>
    public double? BestValue { get; private set; }

    /// <summary>The step at which the best value was measured.</summary>
    public long? BestStep { get; private set; }

    /// <summary>Evaluations since the last improvement.</summary>
    public int WithoutImprovement { get; private set; }

    /// <summary>Why it ended training; <see langword="null"/> when it did not.</summary>
    public string? StoppedBecause { get; private set; }

    /// <summary>
    /// Judges the metric that was set at the present step, once for each step, and calls <see cref="TrainState.Finish"/> when training should end. Call it after the metric was set and before
    /// <see cref="CheckpointManager.AfterBatch"/>; a step without the metric counts for nothing. In a job all ranks call it after the same batches.
    /// </summary>
    /// <returns>Whether training should end.</returns>
    /// <exception cref="CheckpointException">Ranks did not answer, or are elsewhere.</exception>
    public bool Evaluate()
    {
        // Somebody took the end back, or raised the plan: a new patience.
        if (StoppedBecause is not null && _train.FinishedBecause is null)
            (StoppedBecause, WithoutImprovement) = (null, 0);
        double? value = Agreed(_last == _train.Step ? null : _train.OwnMetric(Metric));
        if (value is not { } measured)
            return StoppedBecause is not null;
        _last = _train.Step;
        if (_rule.IsBetter(measured, BestValue))
            (BestValue, BestStep, WithoutImprovement) = (measured, _train.Step, 0);
        else
            WithoutImprovement++;
        if (WhyStop(measured) is { } why)
        {
            (StoppedBecause, _stoppedStep, _stoppedTotal) = (why, _train.Step, _train.TotalSteps);
            _train.Finish(why);
        }
        return StoppedBecause is not null;
    }

    /// <inheritdoc/>
    public StateMap Capture()
    {
        StateMap state = new() { [MetricKey] = Metric, [HigherKey] = _rule.HigherIsBetter, [CountKey] = (long)WithoutImprovement };
        if (BestValue is { } best)
            (state[BestKey], state[BestStepKey]) = (best, BestStep!.Value);
        if (_last is { } last)
            state[LastKey] = last;
        if (StoppedBecause is { } why)
            (state[StoppedKey], state[StoppedStepKey]) = (why, _stoppedStep!.Value);
        if (StoppedBecause is not null && _stoppedTotal is { } total)
            state[StoppedTotalKey] = total;
        return state;
    }

    /// <inheritdoc/>
    public void Check(StateMap saved, RestoreProblems problems)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(problems);
        CheckValue(saved, MetricKey, "a text", value => value is string, problems, isNeeded: true);
        CheckValue(saved, HigherKey, "true or false", value => value is bool, problems, isNeeded: true);
        CheckValue(saved, CountKey, "a count", value => value is >= 0L and <= int.MaxValue, problems, isNeeded: true);
        bool hasBest = saved.ContainsKey(BestKey), hasStopped = saved.ContainsKey(StoppedKey);
        CheckValue(saved, BestKey, "a finite number", value => value is long || value is double number && double.IsFinite(number), problems);
        CheckValue(saved, BestStepKey, "a step", value => value is >= 0L, problems, hasBest);
        CheckValue(saved, LastKey, "a step", value => value is >= 0L, problems);
        CheckValue(saved, StoppedKey, "a reason", value => value is string text && !string.IsNullOrWhiteSpace(text), problems);
        CheckValue(saved, StoppedStepKey, "a step", value => value is >= 0L, problems, hasStopped);
        CheckValue(saved, StoppedTotalKey, "a count of steps", value => value is >= 0L, problems);
    }

    /// <summary>Takes over a saved state. One that has stopped finishes the run here too, unless more steps are planned by now. Of another metric nothing is taken over but that it had stopped.</summary>
    /// <exception cref="StateMismatchException">The state does not fit; nothing was changed.</exception>
    public void Restore(StateMap saved)
    {
        PartFit.Require(this, saved);
        bool isSame = IsSame(saved);
        BestValue = isSame && ValueOf(saved, BestKey) is { } best ? Convert.ToDouble(best, CultureInfo.InvariantCulture) : null;
        BestStep = BestValue is null ? null : (long?)ValueOf(saved, BestStepKey);
        WithoutImprovement = isSame ? (int)(long)ValueOf(saved, CountKey)! : 0;
        _last = isSame ? (long?)ValueOf(saved, LastKey) : null;
        (StoppedBecause, _stoppedStep, _stoppedTotal) = ((string?)ValueOf(saved, StoppedKey), (long?)ValueOf(saved, StoppedStepKey), (long?)ValueOf(saved, StoppedTotalKey));
        if (StoppedBecause is { } why && !(_train.TotalSteps > (_stoppedTotal ?? _stoppedStep)))
            _train.Finish(why);
    }

    /// <summary>Reports another metric than the saved one. The program's holds, and counting begins anew.</summary>
    public StateMap WithProgramSettings(StateMap saved, ICollection<SettingDifference> differences)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(differences);
        if (!IsSame(saved))
            differences.Add(new SettingDifference(Name, MetricKey, Described((string)ValueOf(saved, MetricKey)!, (bool)ValueOf(saved, HigherKey)!), Described(Metric, _rule.HigherIsBetter)) { Only = SettingsSource.Program });
        return saved;
    }

    // The first rank's value, which may be the only one that was measured.
    private double? Agreed(double? own)
    {
        if (_ranks.Size == 1)
            return own;
        byte[] answer = _ranks.Broadcast($"early stopping by {Metric} at batch {_train.Batch}", own is { } value ? BitConverter.GetBytes(value) : []);
        return answer.Length == 0 ? null : BitConverter.ToDouble(answer);
    }

    private string? WhyStop(double value)
    {
        CultureInfo invariant = CultureInfo.InvariantCulture;
        if (StopAtNonFinite && !double.IsFinite(value))
            return string.Create(invariant, $"{Metric} is {value}");
        if (DivergenceThreshold is { } limit && (_rule.HigherIsBetter ? value < limit : value > limit))
            return string.Create(invariant, $"{Metric} is {value:G6}, worse than {limit:G6}");
        if (WithoutImprovement < Patience)
            return null;
        string evaluations = Counted.Of(WithoutImprovement, "evaluation");
        return BestValue is { } best ? string.Create(invariant, $"{Metric} has not improved in {evaluations}; the best is {best:G6} of step {BestStep}") : $"{Metric} had no finite value in {evaluations}";
    }

    private bool IsSame(StateMap saved) => (string?)ValueOf(saved, MetricKey) == Metric && (bool?)ValueOf(saved, HigherKey) == _rule.HigherIsBetter;

    private static string Described(string metric, bool higher) => $"{metric}, {(higher ? "higher" : "lower")} is better";

    private static object? ValueOf(StateMap saved, string key) => saved.TryGetValue(key, out StateNode? node) ? ((StateScalar)node).Value : null;

    private static void CheckValue(StateMap saved, string key, string expected, Func<object?, bool> isGood, RestoreProblems problems, bool isNeeded = false)
    {
        if (!saved.TryGetValue(key, out StateNode? node))
        {
            if (isNeeded)
                problems.AddMissing(key);
        }
        else if (node is not StateScalar scalar || !isGood(scalar.Value))
            problems.AddMismatched(key, expected, (node as StateScalar)?.Value?.ToString() ?? node.ToString()!);
    }
}
