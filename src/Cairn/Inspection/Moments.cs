using System.Runtime.InteropServices;

namespace Cairn.Inspection;

/// <summary>
/// Count, mean and sum of squared deviations of values; two of them merge into that of all values without cancellation
/// (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979).
/// </summary>
/// <param name="Count">How many values.</param>
/// <param name="Mean">Their mean; 0 for none.</param>
/// <param name="SquaredDeviations">Sum of the squares of their distances from the mean.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Moments(long Count, double Mean, double SquaredDeviations)
{
    /// <summary>The moments of the values of both.</summary>
    public Moments Merge(Moments other)
    {
        if (Count == 0)
            return other;
        if (other.Count == 0)
            return this;
        long count = Count + other.Count;
        double distance = other.Mean - Mean, share = (double)other.Count / count;
        return new Moments(count, Mean + distance * share, SquaredDeviations + other.SquaredDeviations + distance * distance * share * Count);
    }

    /// <summary>Standard deviation of the values themselves: divided by their count.</summary>
    public double StandardDeviation => Count == 0 ? 0 : Math.Sqrt(SquaredDeviations / Count);
}
