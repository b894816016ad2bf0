using System.Buffers;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Cairn.Cli.Output;

namespace Cairn.Cli.Reporting.Page;

/// <summary>
/// HTML and SVG being written. What is filled into an interpolated string is text and gets escaped, for elements and quoted attributes; only the literal parts and other markup are taken as they are. So a
/// name that anybody chose cannot become an element.
/// </summary>
internal sealed class Markup
{
    private static readonly SearchValues<char> Special = SearchValues.Create("&<>\"'`");

    private readonly StringBuilder _text = new();

    /// <summary>Adds markup in which every hole is escaped.</summary>
    public Markup Add([InterpolatedStringHandlerArgument("")] Hole markup)
    {
        // The handler has written it.
        _ = markup;
        return this;
    }

    /// <summary>Adds what another one wrote.</summary>
    public Markup Add(Markup other)
    {
        _text.Append(other._text);
        return this;
    }

    /// <summary>Adds a text that this program made and knows to be markup, such as its style sheet.</summary>
    public Markup AddRaw(string known)
    {
        _text.Append(known);
        return this;
    }

    public override string ToString() => _text.ToString();

    /// <summary>A text with which neither an element nor an attribute can be ended, and in which nothing steers how it is read.</summary>
    public static string Escape(string text)
    {
        string printable = Words.Printable(text);
        if (printable.AsSpan().IndexOfAny(Special) < 0)
            return printable;
        return new StringBuilder(printable).Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").Replace("\"", "&quot;").Replace("'", "&#39;").Replace("`", "&#96;").ToString();
    }

    /// <summary>Fills the holes of an interpolated string.</summary>
    [InterpolatedStringHandler]
    internal readonly ref struct Hole(int literalLength, int formattedCount, Markup target)
    {
        private readonly StringBuilder _text = Sized(target, literalLength, formattedCount);

        private static StringBuilder Sized(Markup target, int literalLength, int formattedCount)
        {
            target._text.EnsureCapacity(target._text.Length + literalLength + formattedCount);
            return target._text;
        }

        public void AppendLiteral(string literal) => _text.Append(literal);
        public void AppendFormatted(string? text) => _text.Append(Escape(text ?? ""));
        public void AppendFormatted(Markup? markup) => _text.Append(markup?._text);
        public void AppendFormatted(long number) => _text.Append(CultureInfo.InvariantCulture, $"{number}");
        /// <summary>A place on a chart: two digits are less than a pixel.</summary>
        public void AppendFormatted(double number) => _text.Append(number.ToString("0.##", CultureInfo.InvariantCulture));
    }
}
