using System.Text;

namespace Cairn.Cli.Output;

/// <summary>
/// A table of text as lines that fit a width: columns that find no room go on in lines below, indented, and a cell that is longer than a line goes on in the next one, between words. No word is broken that
/// fits a line by itself.
/// </summary>
internal sealed class TableLines
{
    private const int Gap = 2, Indent = 4;

    private readonly int[] _widths;
    private readonly bool[] _right;
    private readonly int _width;
    private readonly List<int[]> _lines = [];

    /// <param name="widths">The widest cell of each column.</param>
    /// <param name="width">Characters of a line.</param>
    /// <param name="rightAligned">Columns that are aligned to the right.</param>
    public TableLines(int[] widths, int width, ReadOnlySpan<int> rightAligned)
    {
        (_widths, _width, _right) = (widths, width, new bool[widths.Length]);
        foreach (int column in rightAligned)
            _right[column] = true;
        var line = new List<int>();
        int used = 0;
        for (int column = 0; column < widths.Length; column++)
        {
            int needed = widths[column] + (line.Count == 0 ? 0 : Gap);
            if (line.Count > 0 && used + needed > width)
            {
                _lines.Add([.. line]);
                line.Clear();
                (used, needed) = (Indent, widths[column]);
            }
            line.Add(column);
            used += needed;
        }
        _lines.Add([.. line]);
    }

    /// <summary>The lines of a row; none ends in blanks.</summary>
    /// <param name="row">The cells.</param>
    /// <param name="widthOf">How many characters a cell shows.</param>
    /// <param name="textOf">What it shows, without paint.</param>
    public IEnumerable<string> Of(IReadOnlyList<string> row, Func<string, int> widthOf, Func<string, string> textOf)
    {
        for (int i = 0; i < _lines.Count; i++)
        {
            int indent = i == 0 ? 0 : Indent;
            int[] columns = _lines[i];
            if (i > 0 && columns.All(column => widthOf(row[column]) == 0))
                continue;
            if (columns is [var only] && widthOf(row[only]) > _width - indent)
            {
                foreach (string line in Wrapped(textOf(row[only]), _width - indent))
                    yield return new string(' ', indent) + line.Replace("[", "[[", StringComparison.Ordinal).Replace("]", "]]", StringComparison.Ordinal);
                continue;
            }
            yield return Joined(row, columns, indent, widthOf);
        }
    }

    private string Joined(IReadOnlyList<string> row, int[] columns, int indent, Func<string, int> widthOf)
    {
        var text = new StringBuilder();
        int pending = indent;
        foreach (int column in columns)
        {
            int width = widthOf(row[column]), padding = _widths[column] - width;
            if (width == 0)
            {
                pending += _widths[column] + Gap;
                continue;
            }
            // Blanks only before what follows: a line does not end in them.
            text.Append(' ', pending + (_right[column] ? padding : 0)).Append(row[column]);
            pending = (_right[column] ? 0 : padding) + Gap;
        }
        return text.ToString();
    }

    private static IEnumerable<string> Wrapped(string text, int width)
    {
        var line = new StringBuilder();
        foreach (string word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                yield return line.ToString();
                line.Clear();
            }
            line.Append(line.Length == 0 ? "" : " ").Append(word);
        }
        yield return line.ToString();
    }
}
