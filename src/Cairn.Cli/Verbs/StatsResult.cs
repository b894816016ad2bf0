namespace Cairn.Cli.Verbs;

/// <summary>Counts in bins of equal width in <c>cairn stats</c>.</summary>
internal sealed record StatsHistogram(double Start, double Width, IReadOnlyList<long> Counts);

/// <summary>A tensor in <c>cairn stats</c>. Of complex ones the real and imaginary parts are the values.</summary>
internal sealed record StatsTensor(
    string Part, string Name, string Dtype, IReadOnlyList<long> Shape, long Values, long Nan, long PositiveInfinity, long NegativeInfinity, long Zeros,
    double? Min, double? Max, double? Mean, double? StandardDeviation, StatsHistogram? Histogram)
{
    /// <summary>The first name of a tensor that has several.</summary>
    public string? TiedTo { get; init; }
}

/// <summary>The result of <c>cairn stats</c>.</summary>
internal sealed record StatsResult(string Path, IReadOnlyList<StatsTensor> Tensors, long Bytes, long Nan, long Infinity, double Seconds);
