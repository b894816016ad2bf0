using System.Globalization;
using Cairn;
using Cairn.Ranks;
using Cairn.State;

namespace TinyLm;

/// <summary>Evaluates the model from time to time on sums that training never saw, for the best checkpoint and for early stopping. Does nothing when neither is asked for.</summary>
public sealed class Validation
{
    /// <summary>The metric's name.</summary>
    public const string Metric = "validation_loss";

    const int Sums = 256;

    readonly TinyLmOptions _options;
    readonly TrainingRun _run;
    readonly EarlyStopping? _early;

    /// <param name="options">What the command line says.</param>
    /// <param name="run">The model and its counters.</param>
    /// <param name="ranks">The ranks, all of which evaluate: each has a part of the matrices.</param>
    public Validation(TinyLmOptions options, TrainingRun run, RankGroup ranks)
    {
        (_options, _run) = (options, run);
        _early = options.EarlyStopping is { } patience ? new EarlyStopping(run.Train, Metric, patience, ranks: ranks) : null;
    }

    /// <summary>What a checkpoint must hold of it: how long the patience has lasted.</summary>
    public IReadOnlyList<IStatePart> Parts => _early is null ? [] : [_early];

    /// <summary>Evaluates when it is time to, after a step and before <see cref="CheckpointManager.AfterBatch"/>.</summary>
    /// <returns>What to tell; null when nothing was done.</returns>
    public string? Run()
    {
        if ((!_options.SaveBest && _early is null) || _run.Train.Step % _options.ValidateEvery != 0)
        {
            return null;
        }
        var loss = _run.ValidationLoss(Sums);
        _run.Train.Metrics[Metric] = loss;
        var ends = _early?.Evaluate() == true ? $"; training ends: {_early.StoppedBecause}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"step {_run.Train.Step}: validation loss {loss:0.0000}{ends}");
    }
}
