using System.Diagnostics;
using System.Globalization;

namespace Cairn.Bench;

/// <summary>Ours against the machine's limit: both in turn, several rounds, medians.</summary>
internal static class Measure
{
    /// <summary>Prints the ratio of the medians. Each action gives its own seconds, or is timed as a whole.</summary>
    public static void Compare(string title, long bytes, int rounds, Func<TimeSpan> limit, Func<TimeSpan> ours)
    {
        limit();
        ours();
        var limits = new double[rounds];
        var mine = new double[rounds];
        for (int round = 0; round < rounds; round++)
        {
            limits[round] = limit().TotalSeconds;
            mine[round] = ours().TotalSeconds;
        }
        double limitMedian = Median(limits), ourMedian = Median(mine);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{title,-44} ours {ourMedian * 1e3,8:0.0} ms ({bytes / ourMedian / 1e9,5:0.00} GB/s)   limit {limitMedian * 1e3,8:0.0} ms ({bytes / limitMedian / 1e9,5:0.00} GB/s)   time ratio {ourMedian / limitMedian:0.00}   speed {limitMedian / ourMedian:0%}"));
    }

    public static TimeSpan Time(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start);
    }

    public static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}
