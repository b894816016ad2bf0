using System.Globalization;

namespace Cairn;

/// <summary>Sizes and times as people write them, the same in every culture.</summary>
internal static class Quantities
{
    private static readonly string[] Prefixes = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

    /// <summary>Bytes in powers of 1000, three digits: <c>13.2 MB</c>.</summary>
    public static string Bytes(double bytes)
    {
        int prefix = 0;
        while (Math.Abs(bytes) >= 999.5 && prefix < Prefixes.Length - 1)
        {
            bytes /= 1000;
            prefix++;
        }
        string format = prefix == 0 || Math.Abs(bytes) >= 99.95 ? "0" : Math.Abs(bytes) >= 9.995 ? "0.0" : "0.00";
        return bytes.ToString(format, CultureInfo.InvariantCulture) + " " + Prefixes[prefix];
    }

    /// <summary>A time span by its largest units: <c>3d 4h</c>, <c>5m 20s</c>, <c>12.5s</c>, <c>8ms</c>.</summary>
    public static string Time(TimeSpan time)
    {
        CultureInfo invariant = CultureInfo.InvariantCulture;
        return time < TimeSpan.Zero ? "-" + Time(-time)
            : time.TotalDays >= 1 ? string.Create(invariant, $"{(long)time.TotalDays}d {time.Hours}h")
            : time.TotalHours >= 1 ? string.Create(invariant, $"{time.Hours}h {time.Minutes}m")
            : time.TotalMinutes >= 1 ? string.Create(invariant, $"{time.Minutes}m {time.Seconds}s")
            : time.TotalSeconds >= 1 ? string.Create(invariant, $"{time.TotalSeconds:0.0}s")
            : string.Create(invariant, $"{time.TotalMilliseconds:0}ms");
    }

    /// <summary>A share in percent: <c>0.42 %</c>.</summary>
    public static string Percent(double share) => share.ToString("0.##%", CultureInfo.InvariantCulture).Replace("%", " %", StringComparison.Ordinal);
}
