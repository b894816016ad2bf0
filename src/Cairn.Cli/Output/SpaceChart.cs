using Cairn.Advice;

namespace Cairn.Cli.Output;

/// <summary>A small chart of bytes over steps, in text.</summary>
internal static class SpaceChart
{
    private const int Columns = 60, Rows = 6;
    private const string Eighths = " ▁▂▃▄▅▆▇█";

    /// <summary>The lines of the chart, the highest first; empty when nothing is ever written.</summary>
    public static IReadOnlyList<string> Draw(IReadOnlyList<SpacePoint> points, long steps)
    {
        double most = points.Max(point => (double)point.Bytes);
        if (most <= 0 || steps <= 0)
            return [];
        double[] columns = Sample(points, steps);
        var lines = new List<string>();
        for (int row = Rows - 1; row >= 0; row--)
        {
            string label = row == Rows - 1 ? Units.Bytes(most) : row == 0 ? "0" : "";
            string bars = string.Concat(columns.Select(bytes => Eighths[(int)Math.Clamp(Math.Ceiling((bytes / most * Rows - row) * 8), 0, 8)]));
            lines.Add($"{label,9} ┤{bars.TrimEnd()}");
        }
        string last = Units.Plain(steps);
        lines.Add($"{"step",9} 0{last.PadLeft(Columns)}");
        return lines;
    }

    // What stands at the end of each column's share of the steps.
    private static double[] Sample(IReadOnlyList<SpacePoint> points, long steps)
    {
        var columns = new double[Columns];
        int next = 0;
        for (int column = 0; column < Columns; column++)
        {
            double until = (double)steps * (column + 1) / Columns;
            while (next + 1 < points.Count && points[next + 1].Step <= until)
                next++;
            columns[column] = points[next].Bytes;
        }
        return columns;
    }
}
