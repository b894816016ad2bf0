using System.Text.RegularExpressions;

namespace Cairn.Advice.Audit;

/// <summary>The lines of a log as a terminal would show them: without colours, and where a progress bar was drawn over and over, each of its states and what was printed behind it.</summary>
internal static partial class LogText
{
    private const char Escape = '\e', Return = '\r';

    public static IEnumerable<string> Lines(IEnumerable<string> raw)
    {
        foreach (string line in raw)
        {
            string plain = line.Contains(Escape, StringComparison.Ordinal) ? Sequence().Replace(line, "") : line;
            if (!plain.Contains(Return, StringComparison.Ordinal))
            {
                yield return plain;
                continue;
            }
            foreach (string piece in plain.Split(Return, StringSplitOptions.RemoveEmptyEntries))
                yield return piece;
        }
    }

    /// <summary>What stands behind a progress bar of tqdm that was not ended; <see langword="null"/> when nothing does.</summary>
    public static string? BehindBar(string line)
    {
        int speed = Math.Max(line.LastIndexOf("it/s", StringComparison.Ordinal), line.LastIndexOf("s/it", StringComparison.Ordinal));
        int end = speed < 0 ? -1 : line.IndexOf(']', speed);
        return end < 0 || end + 1 == line.Length ? null : line[(end + 1)..];
    }

    // ECMA-48: control sequences (colours, cursor), operating system commands up to BEL or ST (titles, links), and what has two characters.
    [GeneratedRegex(@"\e(\[[0-?]*[ -/]*[@-~]|\][^\a\e]*(\a|\e\\)?|[ -/]*[0-Z\\^-~])", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Sequence();
}
