using System.Globalization;

namespace Cairn.Advice.Python;

/// <summary>Python's arithmetic on constants, and the few functions that only make constants of constants.</summary>
internal static class PythonArithmetic
{
    // What a file can make of itself by repetition stays small.
    private const int Longest = 4096;

    /// <summary>The result, or <see cref="PythonUnread"/>.</summary>
    public static object? Apply(string op, object? left, object? right)
    {
        if (left is PythonUnread)
            return left;
        if (right is PythonUnread)
            return right;
        if (op == "+" && left is string a && right is string b && a.Length + b.Length <= Longest)
            return a + b;
        if (op == "+" && left is List<object?> first && right is List<object?> second && first.Count + second.Count <= Longest)
            return (List<object?>)[.. first, .. second];
        if (left is long x && right is long y && Whole(op, x, y) is { } whole)
            return whole;
        return AsDouble(left) is { } p && AsDouble(right) is { } q && Real(op, p, q) is { } real && (double.IsFinite(real) || !double.IsFinite(p))
            ? real
            : new PythonUnread($"'{op}' is not worked out on such values");
    }

    /// <summary><c>dict(…)</c>, <c>int(…)</c> and the like; any other call is not made.</summary>
    public static object? Call(string name, List<object?> positional, Dictionary<string, object?> named)
    {
        if (name == "dict" && positional.Count == 0)
            return named;
        if (positional.OfType<PythonUnread>().FirstOrDefault() is { } unread)
            return unread;
        return (name, positional) switch
        {
            ("int", [long or bool]) => Convert.ToInt64(positional[0], CultureInfo.InvariantCulture),
            ("int", [double number]) when Math.Abs(number) < 1e18 => (long)number,
            ("int", [string text]) when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) => number,
            ("float", [string text]) when text.Trim().TrimStart('+').ToLowerInvariant() is "inf" or "infinity" => double.PositiveInfinity,
            ("float", [string text]) when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) => number,
            ("float", [{ } value]) when AsDouble(value) is { } number => number,
            ("str", [string text]) => text,
            ("round", [{ } value]) when AsDouble(value) is { } number && Math.Abs(number) < 1e18 => (long)Math.Round(number, MidpointRounding.ToEven),
            ("abs", [long number]) when number != long.MinValue => Math.Abs(number),
            ("max", [_, ..]) when positional.All(value => AsDouble(value) is not null) => positional.MaxBy(value => AsDouble(value)),
            ("min", [_, ..]) when positional.All(value => AsDouble(value) is not null) => positional.MinBy(value => AsDouble(value)),
            ("list" or "tuple", [List<object?> list]) => list,
            _ => new PythonUnread($"{(name.Length == 0 ? "a call" : $"{name}(…)")} would have to be executed"),
        };
    }

    private static object? Whole(string op, long x, long y)
    {
        try
        {
            return op switch
            {
                "+" => checked(x + y),
                "-" => checked(x - y),
                "*" => checked(x * y),
                // Python rounds down and gives the remainder the divisor's sign.
                "//" when y != 0 => checked(x / y) - (x % y != 0 && (x < 0) != (y < 0) ? 1 : 0),
                "%" when y != 0 && y != -1 => (x % y + y) % y,
                "**" when y is >= 0 and < 64 => Power(x, y),
                _ => null,
            };
        }
        catch (OverflowException)
        {
            return null;
        }
    }

    private static long Power(long x, long y)
    {
        long result = 1;
        for (; y > 0; y--)
            result = checked(result * x);
        return result;
    }

    private static double? Real(string op, double p, double q) => op switch
    {
        "+" => p + q,
        "-" => p - q,
        "*" => p * q,
        "/" when q != 0 => p / q,
        "//" when q != 0 => Math.Floor(p / q),
        "%" when q != 0 => p - q * Math.Floor(p / q),
        "**" => Math.Pow(p, q),
        _ => null,
    };

    private static double? AsDouble(object? value) => value switch
    {
        long whole => whole,
        double real => real,
        bool flag => flag ? 1 : 0,
        _ => null,
    };
}
