namespace Cairn.Policies;

/// <summary>When a value of a metric is better than the best so far. Pure.</summary>
/// <param name="Metric">The metric's name.</param>
/// <param name="HigherIsBetter">Whether a higher value is better.</param>
/// <param name="MinDelta">By how much more than this a value must be better.</param>
internal sealed record BestRule(string Metric, bool HigherIsBetter, double MinDelta = 0)
{
    /// <summary>Whether a value is better. NaN and infinity never are, and an equal value is not.</summary>
    public bool IsBetter(double value, double? best) =>
        double.IsFinite(value) && (best is not { } before || (HigherIsBetter ? value - before : before - value) > MinDelta);
}
