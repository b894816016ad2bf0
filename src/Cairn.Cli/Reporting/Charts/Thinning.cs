using System.Runtime.InteropServices;

namespace Cairn.Cli.Reporting.Charts;

/// <summary>A measurement, or several that were taken together: where on the axis, the least and the highest of them, and the last.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Sample(double X, double Least, double Most, double Last)
{
    public Sample(double x, double value) : this(x, value, value, value) { }
}

/// <summary>What is drawn in one column of pixels.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Column(int Place, double Least, double Most, double Last);

/// <summary>Draws a million values in a thousand columns without hiding one of the extremes: of each column the least, the highest and the last value are kept.</summary>
internal static class Thinning
{
    /// <summary>Columns of a chart; a wide screen has about as many pixels.</summary>
    public const int Columns = 1000;

    /// <summary>Thins samples that are in the order of the axis.</summary>
    public static List<Column> Thin(IEnumerable<Sample> samples, Axis axis)
    {
        var columns = new List<Column>();
        foreach (Sample sample in samples)
        {
            if (!double.IsFinite(sample.Last) && !double.IsFinite(sample.Least))
                continue;
            int place = (int)Math.Round(Math.Clamp(axis.Share(sample.X), 0, 1) * Columns);
            double last = double.IsFinite(sample.Last) ? sample.Last : sample.Most;
            if (columns.Count > 0 && columns[^1] is var open && open.Place == place)
                columns[^1] = new Column(place, Math.Min(open.Least, sample.Least), Math.Max(open.Most, sample.Most), last);
            else
                columns.Add(new Column(place, sample.Least, sample.Most, last));
        }
        return columns;
    }
}
