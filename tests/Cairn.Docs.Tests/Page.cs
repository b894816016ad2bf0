using System.Text.RegularExpressions;
using Markdig;
using Markdig.Extensions.AutoIdentifiers;
using Markdig.Extensions.Tables;
using Markdig.Renderers.Html;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace Cairn.Docs.Tests;

/// <summary>A page of the documentation, read as GitHub reads it.</summary>
internal sealed partial class Page
{
    private static readonly MarkdownPipeline Pipeline = new MarkdownPipelineBuilder().UsePipeTables().UseAutoIdentifiers(AutoIdentifierOptions.GitHub).Build();

    private readonly MarkdownDocument _document;

    private Page(string path, string text) => (FullPath, _document) = (path, Markdown.Parse(text, Pipeline));

    /// <summary>The file.</summary>
    public string FullPath { get; }

    /// <summary>Where its links lead.</summary>
    public IEnumerable<string> Links =>
        [.. _document.Descendants<LinkInline>().Select(link => link.Url ?? ""), .. Tags().SelectMany(tag => Source().Matches(tag)).Select(match => match.Groups["path"].Value)];

    /// <summary>What a link may name behind <c>#</c>.</summary>
    public IEnumerable<string> Anchors => _document.Descendants<HeadingBlock>().Select(heading => heading.GetAttributes().Id ?? "");

    /// <summary>The tables, as cells of rows; the first row is the heading.</summary>
    public IEnumerable<TableCell[][]> Tables => _document.Descendants<Table>().Select(table => table.OfType<TableRow>().Select(row => row.OfType<TableCell>().ToArray()).ToArray());

    /// <summary>Reads a page.</summary>
    public static Page Read(string path) => new(path, File.ReadAllText(path));

    /// <summary>Reads a page that stands in no file.</summary>
    public static Page Of(string path, string text) => new(path, text);

    /// <summary>What stands in backticks in a cell.</summary>
    public static IEnumerable<string> Code(TableCell cell) => cell.Descendants<CodeInline>().Select(code => code.Content);

    private IEnumerable<string> Tags() => [.. _document.Descendants<HtmlInline>().Select(tag => tag.Tag), .. _document.Descendants<HtmlBlock>().Select(block => block.Lines.ToString())];

    /// <summary>The words of a cell.</summary>
    public static string Text(TableCell cell) => string.Concat(cell.Descendants<LiteralInline>().Select(literal => literal.Content.ToString()));

    [GeneratedRegex("(src|srcset|href)=\"(?<path>[^\"]+)\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Source();
}
