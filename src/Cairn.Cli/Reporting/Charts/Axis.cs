using System.Globalization;
using Cairn.Cli.Output;

namespace Cairn.Cli.Reporting.Charts;

/// <summary>What an axis counts: this says how its ticks are written.</summary>
internal enum AxisUnit
{
    Number,
    Steps,
    Bytes,
    Seconds,
    Time,
}

/// <summary>From values to the share of a chart's width or height, and the round values to write beside it.</summary>
internal sealed class Axis
{
    private const double Room = 0.06, Largest = 1e300;

    private static readonly double[] TimeSteps = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000, 864_000, 2_592_000, 7_776_000, 31_536_000];

    private readonly double _from, _to;

    private Axis(double low, double high, bool isLogarithmic, AxisUnit unit)
    {
        (Low, High, IsLogarithmic, Unit) = (low, high, isLogarithmic, unit);
        (_from, _to) = isLogarithmic ? (Math.Log10(low), Math.Log10(high)) : (low, high);
    }

    public double Low { get; }
    public double High { get; }
    public bool IsLogarithmic { get; }
    public AxisUnit Unit { get; }

    /// <summary>An axis from one value to another, just so.</summary>
    public static Axis Exact(double low, double high, AxisUnit unit) => new(low, high > low ? high : low + 1, false, unit);

    /// <summary>An axis on which all values have room. Where they are positive and far from each other it is logarithmic, so that an extreme does not press all others flat.</summary>
    /// <param name="values">The values; what is no number is passed over.</param>
    /// <param name="unit">What they count.</param>
    /// <param name="fromZero">Whether it begins at zero: what is an amount is seen in proportion.</param>
    /// <param name="mayBeLogarithmic">Whether it may be logarithmic.</param>
    public static Axis For(IEnumerable<double> values, AxisUnit unit, bool fromZero = false, bool mayBeLogarithmic = false)
    {
        double low = double.PositiveInfinity, high = double.NegativeInfinity;
        foreach (double value in values)
        {
            if (!double.IsFinite(value))
                continue;
            // With room around them, the largest numbers would be none any more.
            double drawn = Math.Clamp(value, -Largest, Largest);
            (low, high) = (Math.Min(low, drawn), Math.Max(high, drawn));
        }
        if (low > high)
            (low, high) = (0, 1);
        if (mayBeLogarithmic && low > 0 && high / low > 30)
            return new Axis(low / 1.15, high * 1.15, true, unit);
        if (fromZero)
            low = Math.Min(0, low);
        if (high - low < Math.Abs(high) * 1e-9 || high == low)
            (low, high) = fromZero && high > 0 ? (low, high) : (low - (Math.Abs(low) > 0 ? Math.Abs(low) / 10 : 1), high + (Math.Abs(high) > 0 ? Math.Abs(high) / 10 : 1));
        // Numbers so small that a tenth of them is none.
        if (high == low)
            (low, high) = (low - 1, high + 1);
        double room = (high - low) * Room;
        return new Axis(fromZero && low == 0 ? 0 : low - room, high + room, false, unit);
    }

    /// <summary>Where a value lies: 0 at the low end, 1 at the high one.</summary>
    public double Share(double value) => Math.Clamp(((IsLogarithmic ? Math.Log10(Math.Max(value, double.Epsilon)) : value) - _from) / (_to - _from), -1, 2);

    /// <summary>Round values along the axis, with how they are written.</summary>
    public IReadOnlyList<(double Value, string Text)> Ticks(int about)
    {
        if (IsLogarithmic)
            return Decades(about);
        double step = Unit == AxisUnit.Time ? TimeStep(about) : Math.Max(RoundStep((High - Low) / about), Unit is AxisUnit.Steps ? 1 : 0);
        var ticks = new List<(double, string)>();
        for (double n = Math.Ceiling(Low / step); n * step <= High * (1 + 1e-12) && ticks.Count < 50; n++)
            ticks.Add((n * step, Text(n * step, step)));
        return ticks;
    }

    private List<(double, string)> Decades(int about)
    {
        var ticks = new List<(double, string)>();
        double[] within = _to - _from < about / 2.0 ? [1, 2, 5] : [1];
        int every = Math.Max(1, (int)Math.Ceiling((_to - _from) / (about + 2)));
        for (int decade = (int)Math.Floor(_from); decade <= _to; decade += every)
        {
            foreach (double digit in within)
            {
                double value = digit * Math.Pow(10, decade);
                if (value >= Low && value <= High)
                    ticks.Add((value, Text(value, value)));
            }
        }
        return ticks;
    }

    private double TimeStep(int about)
    {
        double least = (High - Low) / about;
        return TimeSteps.FirstOrDefault(step => step >= least) is > 0 and var step ? step : RoundStep(least);
    }

    private static double RoundStep(double least)
    {
        double power = Math.Pow(10, Math.Floor(Math.Log10(least)));
        return power * (least / power) switch { <= 1 => 1, <= 2 => 2, <= 5 => 5, _ => 10 };
    }

    private string Text(double value, double step) => Unit switch
    {
        AxisUnit.Bytes => value == 0 ? "0" : Units.Bytes(value),
        AxisUnit.Seconds => value == 0 ? "0" : Units.Seconds(value),
        AxisUnit.Time => DateTimeOffset.FromUnixTimeSeconds((long)Math.Clamp(value, 0, 2.5e11)).ToString(step < 60 ? "HH:mm:ss" : step < 43_200 ? "HH:mm" : "MMM d", CultureInfo.InvariantCulture),
        _ => Short(value),
    };

    /// <summary>A number in few letters: <c>12k</c>, <c>1.5M</c>, <c>0.002</c>, <c>3e-05</c>.</summary>
    public static string Short(double value)
    {
        double size = Math.Abs(value);
        return size >= 1e15 ? value.ToString("0.#e0", CultureInfo.InvariantCulture)
            : size >= 1e9 ? (value / 1e9).ToString("#,0.###", CultureInfo.InvariantCulture) + "G"
            : size >= 1e6 ? (value / 1e6).ToString("0.###", CultureInfo.InvariantCulture) + "M"
            : size >= 1e4 ? (value / 1e3).ToString("0.###", CultureInfo.InvariantCulture) + "k"
            : size is 0 or >= 1e-3 ? value.ToString("#,0.####", CultureInfo.InvariantCulture)
            : value.ToString("0.##e0", CultureInfo.InvariantCulture);
    }
}
