using System.Globalization;

namespace Cairn.TensorBoard;

/// <summary>Names of event files. TensorBoard reads the files of a folder in the order of their names, and takes every file for one whose name holds <c>tfevents</c>.</summary>
internal static class EventFileName
{
    private const string Prefix = "events.out.tfevents.";

    /// <summary>Whether TensorBoard reads such a file.</summary>
    public static bool Is(string name) => name.Contains("tfevents", StringComparison.Ordinal);

    /// <summary>A name that stands behind those of all files that are there, also when a clock was put back.</summary>
    /// <param name="time">Now.</param>
    /// <param name="names">What the folder holds.</param>
    /// <param name="suffix">Who writes it.</param>
    public static string After(DateTimeOffset time, IEnumerable<string> names, string suffix)
    {
        long newest = names.Select(SecondsOf).DefaultIfEmpty(-1).Max();
        return Of(Math.Max(time.ToUnixTimeSeconds(), newest + 1), suffix);
    }

    /// <summary>A name of this moment, in seconds since 1970.</summary>
    public static string Of(long seconds, string suffix) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{seconds:0000000000}.{suffix}");

    private static long SecondsOf(string name) =>
        name.StartsWith(Prefix, StringComparison.Ordinal) && name.AsSpan(Prefix.Length) is var rest && rest.IndexOf('.') is 10
        && long.TryParse(rest[..10], NumberStyles.None, CultureInfo.InvariantCulture, out long seconds) ? seconds : -1;
}
