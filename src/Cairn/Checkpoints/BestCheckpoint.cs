namespace Cairn.Checkpoints;

/// <summary>The checkpoint of a run whose metric is the best so far.</summary>
/// <param name="Step">Its step.</param>
/// <param name="Metric">The metric's name, as in <see cref="TrainState.Metrics"/>.</param>
/// <param name="Value">The metric's value at that step; finite.</param>
/// <param name="HigherIsBetter">Whether a higher value is better.</param>
public sealed record BestCheckpoint(long Step, string Metric, double Value, bool HigherIsBetter);
