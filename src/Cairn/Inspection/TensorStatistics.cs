namespace Cairn.Inspection;

/// <summary>What the values of a tensor are like. Those of complex elements are their real and imaginary parts.</summary>
internal sealed record TensorStatistics
{
    /// <summary>How many values there are.</summary>
    public required long Values { get; init; }
    /// <summary>Values that are not a number.</summary>
    public required long NaN { get; init; }
    /// <summary>Values that are plus infinity.</summary>
    public required long PositiveInfinity { get; init; }
    /// <summary>Values that are minus infinity.</summary>
    public required long NegativeInfinity { get; init; }
    /// <summary>Values that are zero, of either sign.</summary>
    public required long Zeros { get; init; }
    /// <summary>The smallest finite value; <see langword="null"/> when none is finite.</summary>
    public double? Min { get; init; }
    /// <summary>The largest finite value; <see langword="null"/> when none is finite.</summary>
    public double? Max { get; init; }
    /// <summary>The mean of the finite values; <see langword="null"/> when none is finite.</summary>
    public double? Mean { get; init; }
    /// <summary>The standard deviation of the finite values, divided by their count; <see langword="null"/> when none is finite, infinite where squares leave the range of doubles.</summary>
    public double? StandardDeviation { get; init; }
    /// <summary>How the finite values are spread; <see langword="null"/> when none is finite.</summary>
    public ValueHistogram? Histogram { get; init; }

    /// <summary>Values that are finite.</summary>
    public long Finite => Values - NaN - PositiveInfinity - NegativeInfinity;

    internal static TensorStatistics From(StatisticsAccumulator all, Moments moments, int bins) => new()
    {
        Values = all.Values,
        NaN = all.NaN,
        PositiveInfinity = all.PositiveInfinity,
        NegativeInfinity = all.NegativeInfinity,
        Zeros = all.Zeros,
        Min = moments.Count == 0 ? null : all.Min,
        Max = moments.Count == 0 ? null : all.Max,
        Mean = moments.Count == 0 ? null : moments.Mean,
        StandardDeviation = moments.Count == 0 ? null : moments.StandardDeviation,
        Histogram = moments.Count == 0 ? null : all.Histogram.Build(bins),
    };
}
