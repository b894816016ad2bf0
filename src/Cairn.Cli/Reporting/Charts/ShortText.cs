using System.Globalization;
using System.Text;

namespace Cairn.Cli.Reporting.Charts;

/// <summary>Names in the room that a chart has for them.</summary>
internal static class ShortText
{
    /// <summary>A name of at most so many columns, of which Chinese, Japanese and Korean letters take two; what is left out in the middle is a dot line.</summary>
    public static string Of(string name, int columns)
    {
        string[] letters = [.. Letters(name)];
        if (letters.Sum(Width) <= columns)
            return name;
        int head = (columns - 1 + 1) / 2, tail = columns - 1 - head;
        var start = new StringBuilder();
        foreach (string letter in letters)
        {
            if ((head -= Width(letter)) < 0)
                break;
            start.Append(letter);
        }
        string end = "";
        foreach (string letter in letters.Reverse())
        {
            if ((tail -= Width(letter)) < 0)
                break;
            end = letter + end;
        }
        return $"{start}…{end}";
    }

    private static IEnumerable<string> Letters(string text)
    {
        TextElementEnumerator letters = StringInfo.GetTextElementEnumerator(text);
        while (letters.MoveNext())
            yield return letters.GetTextElement();
    }

    private static int Width(string letter) => letter[0] >= 0x1100 && (letter[0] <= 0x115f || letter[0] is >= (char)0x2e80 and <= (char)0xa4cf or >= (char)0xac00 and <= (char)0xd7a3 or >= (char)0xf900 and <= (char)0xfaff or >= (char)0xfe30 and <= (char)0xfe6f or >= (char)0xff00 and <= (char)0xff60) || char.IsSurrogate(letter[0]) ? 2 : 1;
}
