using System.Globalization;

namespace Cairn;

/// <summary>Numbers of things in words: <c>1 step</c>, <c>2 steps</c>.</summary>
internal static class Counted
{
    /// <summary>A number and its things.</summary>
    /// <param name="number">How many.</param>
    /// <param name="one">What one is called.</param>
    /// <param name="many">What several are called; <paramref name="one"/> with an s unless said otherwise.</param>
    public static string Of(long number, string one, string? many = null) => string.Create(CultureInfo.InvariantCulture, $"{number} {(number == 1 ? one : many ?? one + "s")}");

    /// <summary>A number of things that may be more: <c>at least 2 steps</c>, <c>no step that is known of</c>.</summary>
    /// <param name="number">How many are known.</param>
    /// <param name="atLeast">Whether there may be more.</param>
    /// <param name="one">What one is called.</param>
    public static string Of(long number, bool atLeast, string one) => !atLeast ? Of(number, one) : number == 0 ? $"no {one} that is known of" : $"at least {Of(number, one)}";
}
