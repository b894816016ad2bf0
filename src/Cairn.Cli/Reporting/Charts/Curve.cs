using System.Globalization;
using System.Text;

namespace Cairn.Cli.Reporting.Charts;

/// <summary>Part of a curve that one process made.</summary>
/// <param name="Samples">In the order of the axis.</param>
/// <param name="IsLeft">Whether it was made again later, or left for another branch.</param>
internal sealed record CurvePart(IReadOnlyList<Sample> Samples, bool IsLeft);

/// <summary>One run's values along the steps.</summary>
/// <param name="Name">The run.</param>
/// <param name="Series">Its number among those of the page, which gives colour and dashes.</param>
/// <param name="Parts">One for each stretch.</param>
internal sealed record Curve(string Name, int Series, IReadOnlyList<CurvePart> Parts)
{
    public bool IsEmpty => Parts.All(part => part.Samples.Count == 0);

    /// <summary>The least and the highest value of each sample.</summary>
    public IEnumerable<double> Values
    {
        get
        {
            foreach (CurvePart part in Parts)
            {
                foreach (Sample sample in part.Samples)
                {
                    yield return sample.Least;
                    yield return sample.Most;
                }
            }
        }
    }

    /// <summary>The last value that is not left behind.</summary>
    public double? Last => Parts.LastOrDefault(part => part is { IsLeft: false, Samples.Count: > 0 })?.Samples[^1].Last;
}

/// <summary>A curve as it is drawn along an axis, in columns.</summary>
internal sealed record ThinnedCurve(IReadOnlyList<(bool IsLeft, List<Column> Columns)> Parts)
{
    public static ThinnedCurve Of(Curve curve, Axis steps) => new([.. curve.Parts.Select(part => (part.IsLeft, Thinning.Thin(part.Samples, steps)))]);
}

/// <summary>Outlines for the <c>d</c> of a path, in columns across and pixels down.</summary>
internal static class CurvePath
{
    /// <summary>The line through the last value of each column.</summary>
    public static string Line(IReadOnlyList<Column> columns, Axis axis, double height)
    {
        var path = new StringBuilder();
        foreach (Column column in columns)
            path.Append(path.Length == 0 ? 'M' : 'L').Append(Number(column.Place)).Append(' ').Append(Number(Down(axis, column.Last, height)));
        // A single value is a dot, by the round ends of its line.
        return columns.Count == 1 ? path.Append("h0").ToString() : path.ToString();
    }

    /// <summary>A stroke from the least to the highest value of each column that has several.</summary>
    public static string Extent(IReadOnlyList<Column> columns, Axis axis, double height)
    {
        var path = new StringBuilder();
        foreach (Column column in columns)
        {
            double low = Down(axis, column.Least, height), high = Down(axis, column.Most, height);
            if (low - high >= 0.5)
                path.Append('M').Append(Number(column.Place)).Append(' ').Append(Number(low)).Append('V').Append(Number(high));
        }
        return path.ToString();
    }

    public static double Down(Axis axis, double value, double height) => (1 - axis.Share(value)) * height;

    /// <summary>A place within a path: a tenth of a pixel is exact enough.</summary>
    public static string Number(double value) => value.ToString("0.#", CultureInfo.InvariantCulture);
}
