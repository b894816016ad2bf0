using System.Globalization;

namespace Cairn.Cli.Output;

/// <summary>Numbers as people write them, the same in every culture.</summary>
internal static class Units
{
    /// <summary>Bytes in powers of 1000, three digits: <c>13.2 MB</c>.</summary>
    public static string Bytes(double bytes) => Quantities.Bytes(bytes);

    /// <summary>A time span by its largest units: <c>3d 4h</c>, <c>5m 20s</c>, <c>12.5s</c>, <c>8ms</c>.</summary>
    public static string Time(TimeSpan time) => Quantities.Time(time);

    /// <summary>As above, of seconds that were reckoned: more than a time span holds is cut.</summary>
    public static string Seconds(double seconds) => Time(TimeSpan.FromSeconds(Math.Min(seconds, 1e9)));

    public static string Plain(long number) => number.ToString(CultureInfo.InvariantCulture);

    public static string Count(long number) => number.ToString("#,0", CultureInfo.InvariantCulture);

    /// <summary>A number of things: <c>1 checkpoint</c>, <c>20 checkpoints</c>.</summary>
    /// <param name="number">How many.</param>
    /// <param name="one">What one is called.</param>
    /// <param name="many">What several are called; <paramref name="one"/> with an s unless said otherwise.</param>
    public static string Of(long number, string one, string? many = null) => $"{Count(number)} {(number == 1 ? one : many ?? one + "s")}";

    /// <summary>A number of steps that may be more: <c>at least 20 steps</c>, <c>no step that is known of</c>.</summary>
    public static string Steps(long number, bool atLeast) => !atLeast ? Of(number, "step") : number == 0 ? "no step that is known of" : $"at least {Of(number, "step")}";

    /// <summary>What follows the first of several: <c> and 3 more</c>; nothing when it is the only one.</summary>
    public static string AndMore(int number) => number > 1 ? $" and {Count(number - 1)} more" : "";

    public static string Percent(double part, double whole) => (whole == 0 ? 0 : part / whole).ToString("0.0 %", CultureInfo.InvariantCulture);

    public static string Number(double number) => number.ToString("G6", CultureInfo.InvariantCulture);

    /// <summary>A measured number in four digits: <c>0.02131</c>, <c>1.5e-06</c>.</summary>
    public static string Digits(double number) => number.ToString("G4", CultureInfo.InvariantCulture).Replace("E", "e", StringComparison.Ordinal);
}
