using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Cairn.Advice.Audit;

/// <summary>A message of a training log, with the lines that belong to it.</summary>
/// <param name="Time">When, on the log's own clock, which tells no time zone: only differences matter.</param>
/// <param name="Text">What was said.</param>
/// <param name="Rank">Which rank said it; <see langword="null"/> where neither the program nor a launcher wrote that in front.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct LogMessage(DateTimeOffset Time, string Text, int? Rank);

/// <summary>How the lines of a trainer's log look. A launcher may have put a host, a task or a rank in front of them, or a progress bar that was not ended.</summary>
internal sealed partial record LogLine(HistorySource Source, Func<Regex> Pattern, string? TimeFormat)
{
    // Where a log says no year: one that has the 29th of February.
    private const int NoYear = 2000;
    private const int MostContinuation = 200, MostMilliseconds = 1000;
    private const RegexOptions Options = RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant;
    // Whatever a launcher has put in front.
    private const string Begin = "^.{0,160}?";
    private static readonly TimeSpan HalfAYear = TimeSpan.FromDays(183);

    /// <summary>
    /// All that are known. InternLM: Python's logging, <c>asctime\tLEVEL file:line in func -- message</c> (<c>internlm/utils/logger.py</c>), and its logging service,
    /// <c>ISO-time LEVEL [file, line n, in func] - pid=p : message</c>. torchtitan: <c>[titan] asctime - root - LEVEL - message</c> (<c>torchtitan/tools/logging.py</c>). XTuner 1:
    /// <c>[XTuner][RANK r][time][LEVEL] message</c> (<c>xtuner/v1/utils/logger.py</c>). XTuner before that, and all of OpenMMLab: <c>time - mmengine - LEVEL - message</c>.
    /// </summary>
    private static readonly LogLine[] Known =
    [
        new(HistorySource.InternLm, Logging, "yyyy-MM-dd HH:mm:ss,fff"), new(HistorySource.InternLm, Service, null), new(HistorySource.TorchTitan, Titan, "yyyy-MM-dd HH:mm:ss,fff"),
        new(HistorySource.XTuner, XTuner, "yyyy-MM-dd HH:mm:ss"), new(HistorySource.MmEngine, MmEngine, "yyyy/MM/dd HH:mm:ss"),
    ];

    /// <summary>The kind of a line that begins a message; <see langword="null"/> when it begins none.</summary>
    public static LogLine? Of(string line) => Array.Find(Known, kind => kind.TryParse(line, out _));

    /// <summary>Whether a line begins a message, or one begins behind a progress bar in it.</summary>
    public bool TryParse(string line, out LogMessage message) => TryMatch(line, out message) || (LogText.BehindBar(line) is { } rest && TryMatch(rest, out message));

    private bool TryMatch(string line, out LogMessage message)
    {
        message = default;
        Match match = Pattern().Match(line);
        if (!match.Success || !TryTime(match.Groups["time"].Value, out DateTimeOffset time))
            return false;
        Match rank = Rank().Match(line, 0, match.Groups["time"].Index);
        message = new LogMessage(time, match.Groups["message"].Value, rank.Success && int.TryParse(rank.Groups["rank"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null);
        return true;
    }

    /// <summary>The messages of one file; lines that begin none belong to the one before. Of several trainers that wrote into it the first one counts.</summary>
    public static IEnumerable<(LogLine Kind, LogMessage Message)> Messages(IEnumerable<string> lines)
    {
        LogLine? kind = null;
        LogMessage? open = null;
        List<string> more = [];
        int years = 0;
        foreach (string line in LogText.Lines(lines))
        {
            LogMessage next = default;
            LogLine? of = kind?.TryParse(line, out next) == true ? kind : Array.Find(Known, known => (kind is null || known.Source == kind.Source) && known.TryParse(line, out next));
            if (of is null)
            {
                if (more.Count < MostContinuation)
                    more.Add(line);
                continue;
            }
            if (open is { } whole)
                yield return (kind!, Joined(whole, more));
            // Over New Year.
            if (next.Time.Year == NoYear && open is { } before && before.Time - next.Time.AddYears(years) > HalfAYear)
                years++;
            (kind, open) = (of, next with { Time = next.Time.AddYears(next.Time.Year == NoYear ? years : 0) });
            more.Clear();
        }
        if (open is { } last)
            yield return (kind!, Joined(last, more));
    }

    /// <summary>Whether a file that begins then was written in the year after one that begins at <paramref name="latest"/>: neither says a year, and a run takes no half of one.</summary>
    public static bool IsOfNextYear(DateTimeOffset time, DateTimeOffset latest) => time.Year == NoYear && latest - time > HalfAYear;

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

    private bool TryTime(string text, out DateTimeOffset time) => TimeFormat is null
        ? DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out time)
        : DateTimeOffset.TryParseExact(text.IndexOf('/', StringComparison.Ordinal) == 2 ? $"{NoYear}/{text}" : text, TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out time);

    private static LogMessage Joined(LogMessage message, List<string> more) =>
        more.Count == 0 ? message : message with { Text = $"{message.Text}\n{string.Join('\n', more)}" };

    // What a launcher writes: '[rank0]:' and '[default0]:' of torchrun, '0: ' of srun --label, '[1,0]<stdout>:' of mpirun, '[RANK 0]' of XTuner itself.
    [GeneratedRegex(@"\[(rank|RANK |default)(?<rank>\d{1,6})\]|^\s*(?<rank>\d{1,6}): |\[\d+,(?<rank>\d{1,6})\]<std", Options, MostMilliseconds)]
    private static partial Regex Rank();

    [GeneratedRegex(Begin + @"(?<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\s+[A-Z]+ \S+:\d+ in \S+ -- (?<message>.*)$", Options, MostMilliseconds)]
    private static partial Regex Logging();

    [GeneratedRegex(Begin + @"(?<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.,]\d+(Z|[+-]\d\d:?\d\d)?)\s+[A-Z]+ \[[^\]]*, line \d+, in [^\]]*\] - (pid=\d+ : )?(?<message>.*)$", Options, MostMilliseconds)]
    private static partial Regex Service();

    [GeneratedRegex(Begin + @"(?<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) - \S+ - [A-Z]+ - (?<message>.*)$", Options, MostMilliseconds)]
    private static partial Regex Titan();

    [GeneratedRegex(Begin + @"\[XTuner\](\[RANK \d+\])?\[(?<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\]\[[A-Z]+\](\[[^\]]*\])*\s(?<message>.*)$", Options, MostMilliseconds)]
    private static partial Regex XTuner();

    [GeneratedRegex(Begin + @"(?<time>(\d{4}/)?\d\d/\d\d \d\d:\d\d:\d\d) - mmengine - [A-Z]+ - (?<message>.*)$", Options, MostMilliseconds)]
    private static partial Regex MmEngine();
}
