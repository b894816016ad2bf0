namespace Cairn.Cli.Output;

/// <summary>A histogram in one line of text.</summary>
internal static class Sparkline
{
    private const string Eighths = "▁▂▃▄▅▆▇█";

    /// <summary>One bar for each count; the largest is full, and what is not zero can be seen.</summary>
    public static string Of(IReadOnlyList<long> counts)
    {
        long most = Math.Max(1, counts.Max());
        return string.Concat(counts.Select(count => count == 0 ? ' ' : Eighths[(int)Math.Min(Eighths.Length - 1, (double)count / most * Eighths.Length)]));
    }
}
