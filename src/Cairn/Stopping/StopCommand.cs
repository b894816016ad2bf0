using System.Globalization;
using System.Runtime.InteropServices;

namespace Cairn.Stopping;

/// <summary>What a stop file asks for.</summary>
internal enum StopAction
{
    /// <summary>Nothing: the file says 0.</summary>
    None,
    /// <summary>Save at the step, then stop: <c>N</c> or <c>+N</c>.</summary>
    SaveAndStop,
    /// <summary>Save at the step and go on: <c>-N</c>.</summary>
    SaveAndContinue,
    /// <summary>The file's text is no command.</summary>
    Unreadable,
}

/// <summary>The content of a stop file, in InternLM's grammar.</summary>
/// <param name="Action">What it asks for.</param>
/// <param name="Step">At which step, or the first one after it; 0 when nothing is asked for.</param>
/// <param name="Problem">What is wrong with an unreadable text and what to write instead; otherwise <see langword="null"/>.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct StopCommand(StopAction Action, long Step = 0, string? Problem = null)
{
    private const int LongestQuote = 40;
    private const string Grammar = "Write N or +N to save at step N and stop, -N to save and go on, 0 for nothing.";

    /// <summary>
    /// The command in a stop file's text: one integer, white space around it ignored. <see langword="null"/> stands for a
    /// file that is not there and asks for nothing. Anything else is <see cref="StopAction.Unreadable"/>: it never throws.
    /// </summary>
    public static StopCommand Parse(string? text)
    {
        if (text is null)
            return new StopCommand(StopAction.None);
        ReadOnlySpan<char> trimmed = text.AsSpan().Trim().TrimStart('\uFEFF').Trim();
        if (trimmed.IsEmpty)
            return Unreadable("The stop file is empty.");
        if (!long.TryParse(trimmed, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) || number == long.MinValue)
            return Unreadable($"The stop file says '{Quote(trimmed)}', which is not a step.");
        return number switch
        {
            0 => new StopCommand(StopAction.None),
            > 0 => new StopCommand(StopAction.SaveAndStop, number),
            _ => new StopCommand(StopAction.SaveAndContinue, -number),
        };
    }

    private static StopCommand Unreadable(string problem) => new(StopAction.Unreadable, Problem: $"{problem} {Grammar}");

    // The text is foreign: it must not put control characters or megabytes into a log.
    private static string Quote(ReadOnlySpan<char> text)
    {
        char[] start = text[..Math.Min(text.Length, LongestQuote)].ToArray();
        for (int i = 0; i < start.Length; i++)
            start[i] = char.IsControl(start[i]) ? ' ' : start[i];
        return new string(start) + (text.Length > LongestQuote ? "…" : "");
    }
}
