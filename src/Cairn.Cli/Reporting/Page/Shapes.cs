using System.Globalization;
using Cairn.Cli.Output;

namespace Cairn.Cli.Reporting.Page;

/// <summary>Small pieces of the page that stand in several sections.</summary>
internal static class Shapes
{
    /// <summary>A moment, to the minute.</summary>
    public static Markup Moment(DateTimeOffset? time) => time is not { } at ? new Markup()
        : new Markup().Add($"""<time datetime="{at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture)}">{at.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)}</time>""");

    /// <summary>A term and what is said of it.</summary>
    public static void Fact(Markup page, string term, Markup value) => page.Add($"<div><dt>{term}</dt><dd>{value}</dd></div>\n");

    public static void Fact(Markup page, string term, string value) => Fact(page, term, new Markup().Add($"{value}"));

    /// <summary>A table that can be scrolled sideways where it is too wide.</summary>
    /// <param name="page">Where to.</param>
    /// <param name="caption">What it holds.</param>
    /// <param name="columns">The columns; one whose name begins with <c>#</c> holds numbers.</param>
    /// <param name="rows">The rows; the first cell of each names it.</param>
    public static void Table(Markup page, string caption, IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<Markup>> rows)
    {
        page.Add($"""<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table><caption>{caption}</caption><thead><tr>""");
        foreach (string column in columns)
            page.Add($"""<th scope="col"{Number(column)}>{column.TrimStart('#')}</th>""");
        page.Add($"</tr></thead><tbody>\n");
        foreach (IReadOnlyList<Markup> row in rows)
        {
            page.Add($"<tr>");
            for (int i = 0; i < row.Count; i++)
            {
                if (i == 0)
                    page.Add($"""<th scope="row"{Number(columns[i])}>{row[i]}</th>""");
                else
                    page.Add($"""<td{Number(columns[i])}>{row[i]}</td>""");
            }
            page.Add($"</tr>\n");
        }
        page.Add($"</tbody></table></div>\n");
    }

    public static Markup Text(string? text) => new Markup().Add($"{text}");

    public static Markup Number(long? number) => Text(number is { } known ? Units.Count(known) : "");

    /// <summary>A word with a sign of its own, so that its colour need not be seen.</summary>
    public static Markup Badge(string style, string text) => new Markup().Add($"""<span class="badge {style}">{text}</span>""");

    /// <summary>Opens a section with its heading.</summary>
    public static void Open(Markup page, string id, int level, string title)
    {
        // Of several runs each has such a section: its name says of which.
        page.Add($"""<section id="{id}" data-part="{id}" aria-labelledby="{id}-title{(id.Split('-') is [var run, _] ? $" {run}-name" : "")}">""");
        page.AddRaw(level == 2 ? "<h2" : "<h3").Add($""" id="{id}-title">{title}""").AddRaw(level == 2 ? "</h2>\n" : "</h3>\n");
    }

    public static void Close(Markup page) => page.Add($"</section>\n");

    private static Markup Number(string column) => column.StartsWith('#') ? new Markup().Add($""" class="number" """) : new Markup();
}
