using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Cairn.Advice.Audit;

/// <summary>A message of an InternLM log, with the lines that belong to it.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct InternLmMessage(DateTimeOffset Time, string Text);

/// <summary>
/// The two line formats: Python's logging, <c>asctime\tLEVEL file:line in func -- message</c> (<c>internlm/utils/logger.py</c>), and that of the logging
/// service, <c>ISO-time LEVEL [file, line n, in func] - pid=p : message</c> (as the documentation of InternLM shows it). A launcher may have put a
/// rank in front of either.
/// </summary>
internal static partial class InternLmLine
{
    private const int MostContinuation = 200;

    /// <summary>Whether a line begins a message.</summary>
    public static bool TryParse(string line, out InternLmMessage message)
    {
        message = default;
        Match match = Logging().Match(line);
        bool parsed;
        DateTimeOffset time;
        if (match.Success)
        {
            // The log does not say its time zone; only differences matter.
            parsed = DateTimeOffset.TryParseExact(match.Groups["time"].ValueSpan, "yyyy-MM-dd HH:mm:ss,fff", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out time);
        }
        else
        {
            match = Service().Match(line);
            parsed = DateTimeOffset.TryParse(match.Groups["time"].ValueSpan, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out time) && match.Success;
        }
        if (parsed)
            message = new InternLmMessage(time, match.Groups["message"].Value);
        return parsed;
    }

    /// <summary>The messages of one file; lines that begin none belong to the one before.</summary>
    public static IEnumerable<InternLmMessage> Messages(IEnumerable<string> lines)
    {
        InternLmMessage? open = null;
        List<string> more = [];
        foreach (string line in lines)
        {
            if (!TryParse(line, out InternLmMessage next))
            {
                if (more.Count < MostContinuation)
                    more.Add(line);
                continue;
            }
            if (open is { } whole)
                yield return Joined(whole, more);
            open = next;
            more.Clear();
        }
        if (open is { } last)
            yield return Joined(last, more);
    }

    /// <summary>The value of a key in <c>key=value</c> pairs that blanks or commas separate; <see langword="null"/> when it is not there.</summary>
    public static string? Value(string message, string key)
    {
        for (int at = message.IndexOf(key, StringComparison.Ordinal); at >= 0; at = message.IndexOf(key, at + 1, StringComparison.Ordinal))
        {
            int value = at + key.Length;
            if ((at > 0 && message[at - 1] is not (' ' or ',')) || value >= message.Length || message[value] != '=')
                continue;
            int end = message.AsSpan(value + 1).IndexOfAny(' ', ',');
            return end < 0 ? message[(value + 1)..].TrimEnd() : message.Substring(value + 1, end);
        }
        return null;
    }

    private static InternLmMessage Joined(InternLmMessage message, List<string> more) =>
        more.Count == 0 ? message : message with { Text = $"{message.Text}\n{string.Join('\n', more)}" };

    [GeneratedRegex(@"^.{0,32}?(?<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\s+[A-Z]+ \S+:\d+ in \S+ -- (?<message>.*)$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Logging();

    [GeneratedRegex(@"^.{0,32}?(?<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.,]\d+(Z|[+-]\d\d:?\d\d)?)\s+[A-Z]+ \[[^\]]*, line \d+, in [^\]]*\] - (pid=\d+ : )?(?<message>.*)$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Service();
}
