using System.Globalization;

namespace Cairn.Cli.Input;

/// <summary>Reads sizes, times and counts as people write them. A <see cref="FormatException"/> says what to write.</summary>
internal static class QuantityText
{
    private static readonly (string Suffix, double Factor)[] Sizes =
    [
        ("kib", 1L << 10), ("mib", 1L << 20), ("gib", 1L << 30), ("tib", 1L << 40), ("pib", 1L << 50),
        ("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("tb", 1e12), ("pb", 1e15), ("b", 1), ("", 1),
    ];

    private static readonly (string Suffix, double Factor)[] Times =
        [("us", 1e-6), ("ms", 1e-3), ("min", 60), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400), ("w", 7 * 86400)];

    private static readonly (string Suffix, double Factor)[] Counts = [("k", 1e3), ("m", 1e6), ("b", 1e9), ("t", 1e12), ("", 1)];

    /// <summary>Bytes: <c>98GB</c>, <c>1.5 TiB</c>, <c>4096</c>.</summary>
    public static long Bytes(string text) => Whole(Scaled(text, Sizes, "a size such as 98GB, 1.5TiB or 4096"), text);

    /// <summary>Bytes per second: <c>2GB/s</c>; the <c>/s</c> may be left out.</summary>
    public static double Rate(string text)
    {
        string size = text.EndsWith("/s", StringComparison.OrdinalIgnoreCase) ? text[..^2] : text;
        double rate = Scaled(size, Sizes, "a rate such as 2GB/s or 500MB/s");
        return rate > 0 ? rate : throw new FormatException($"'{text}' is not above zero.");
    }

    /// <summary>A time: <c>250ms</c>, <c>1.2s</c>, <c>30m</c>, <c>6h</c>, <c>2d</c>, <c>00:30:00</c>.</summary>
    public static TimeSpan Time(string text)
    {
        const string Expected = "a time such as 250ms, 1.2s, 30m, 6h, 2d or 00:30:00";
        if (text.Contains(':', StringComparison.Ordinal))
            return TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out TimeSpan time) ? time : throw Expecting(text, Expected);
        double seconds = Scaled(text, Times, Expected);
        return seconds < TimeSpan.MaxValue.TotalSeconds / 2 ? TimeSpan.FromSeconds(seconds) : throw Expecting(text, Expected);
    }

    /// <summary>A count: <c>7B</c>, <c>1.8M</c>, <c>500k</c>, <c>12345</c>.</summary>
    public static long Count(string text) => Whole(Scaled(text, Counts, "a number such as 7B, 1.8M, 500k or 12345"), text);

    /// <summary>A share: <c>1%</c> or <c>0.01</c>.</summary>
    public static double Share(string text)
    {
        double share = Scaled(text, [("%", 0.01), ("", 1)], "a share such as 1% or 0.01");
        return share is > 0 and < 1 ? share : throw new FormatException($"'{text}' is not between 0 and 100 %.");
    }

    private static double Scaled(string text, ReadOnlySpan<(string Suffix, double Factor)> units, string expected)
    {
        string trimmed = text.Trim();
        foreach ((string suffix, double factor) in units)
        {
            if (trimmed.EndsWith(suffix, StringComparison.OrdinalIgnoreCase)
                && double.TryParse(trimmed[..^suffix.Length].TrimEnd(), NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent | NumberStyles.AllowThousands, CultureInfo.InvariantCulture, out double number)
                && double.IsFinite(number))
            {
                return number * factor;
            }
        }
        throw Expecting(text, expected);
    }

    private static long Whole(double number, string text) =>
        number < long.MaxValue ? (long)Math.Round(number) : throw new FormatException($"'{text}' is too large.");

    private static FormatException Expecting(string text, string expected) => new($"'{text}' is not {expected}.");
}
