using System.Globalization;
using System.Text;

namespace Cairn;

/// <summary>Text as it may be shown to people. Names come from files that anybody wrote: nothing of them may steer a terminal or turn the direction of a line.</summary>
internal static class PrintableText
{
    /// <summary>
    /// The text with each control character, each mark that cannot be seen (directions, zero widths, separators of lines) and each half of a surrogate
    /// pair as its number: <c>\u202E</c>. Line feeds stay, and <paramref name="kept"/>.
    /// </summary>
    public static string Of(string text, string kept = "")
    {
        ArgumentNullException.ThrowIfNull(text);
        int first = IndexOfHidden(text, 0, kept);
        if (first < 0)
            return text;
        var shown = new StringBuilder(text.Length + 16);
        int done = 0;
        for (int at = first; at >= 0; at = IndexOfHidden(text, done, kept))
        {
            int length = Rune.TryGetRuneAt(text, at, out Rune rune) ? rune.Utf16SequenceLength : 1;
            shown.Append(text, done, at - done);
            foreach (char unit in text.AsSpan(at, length))
                shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:X4}");
            done = at + length;
        }
        return shown.Append(text, done, text.Length - done).ToString();
    }

    private static int IndexOfHidden(string text, int start, string kept)
    {
        for (int i = start; i < text.Length; i++)
        {
            char c = text[i];
            if (c is >= ' ' and < '\u007F' or '\n' || (char.IsControl(c) && kept.Contains(c, StringComparison.Ordinal)))
                continue;
            if (!Rune.TryGetRuneAt(text, i, out Rune rune))
                return i;
            if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
                return i;
            i += rune.Utf16SequenceLength - 1;
        }
        return -1;
    }
}
