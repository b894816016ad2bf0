using System.CommandLine;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Cairn.State;
using Spectre.Console;

namespace Cairn.Cli.Output;

/// <summary>Where a verb shows its result: colour and tables on a terminal, plain text in a pipe, JSON when asked.</summary>
internal sealed class Screen
{
    private const int PipeWidth = 4096;

    private readonly TextWriter _out;
    private readonly TextWriter _error;
    private bool IsProcess { get; init; }

    public Screen(TextWriter @out, TextWriter error, bool isTerminal, bool json)
    {
        _out = @out;
        _error = error;
        IsTerminal = isTerminal && !json;
        IsJson = json;
        bool colour = IsTerminal && Environment.GetEnvironmentVariable("NO_COLOR") is not { Length: > 0 };
        Console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = IsTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = colour ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(@out),
        });
        if (!IsTerminal)
            Console.Profile.Width = PipeWidth;
        ErrorConsole = AnsiConsole.Create(new AnsiConsoleSettings { Interactive = InteractionSupport.Yes, Out = new AnsiConsoleOutput(error) });
    }

    /// <summary>For tables and text of people.</summary>
    public IAnsiConsole Console { get; }

    /// <summary>For progress, on a terminal.</summary>
    public IAnsiConsole ErrorConsole { get; }

    public bool IsTerminal { get; }

    public bool IsJson { get; }

    /// <summary>Whether people watch standard error: progress may be drawn there, whatever becomes of the result.</summary>
    public bool ErrorIsTerminal { get; private init; }

    /// <summary>Whether nobody reads the result any more, as behind <c>| head</c>.</summary>
    public bool HasNoReader => IsProcess && StandardOutput.HasNoReader;

    /// <summary>The process's own, which may be a terminal, or what is taken for a pipe.</summary>
    public static Screen For(InvocationConfiguration where, bool json) => where.Output == System.Console.Out ? ForProcess(json) : new Screen(where.Output, where.Error, isTerminal: false, json);

    private static Screen ForProcess(bool json) =>
        new(System.Console.Out, System.Console.Error, !System.Console.IsOutputRedirected && !IsDumb, json) { ErrorIsTerminal = !System.Console.IsErrorRedirected && !IsDumb, IsProcess = true };

    private static bool IsDumb => Environment.GetEnvironmentVariable("TERM") is null or "" or "dumb";

    /// <summary>Shows a result: as JSON, or as <paramref name="render"/> draws it.</summary>
    public void Show<T>(T result, JsonTypeInfo<T> type, Action<T> render)
    {
        if (!IsJson)
        {
            render(result);
            return;
        }
        _out.WriteLine(Json(result, type, indented: true));
    }

    /// <summary>One JSON object in one line, for results that come one after the other.</summary>
    public void JsonLine<T>(T result, JsonTypeInfo<T> type)
    {
        _out.WriteLine(Json(result, type, indented: false));
        _out.Flush();
    }

    private static string Json<T>(T result, JsonTypeInfo<T> type, bool indented)
    {
        // For eyes and other programs, not for a web page: quotes and umlauts stay as they are.
        byte[] json = JsonBytes.Write(JsonBytes.Dense with { Indented = indented }, json => JsonSerializer.Serialize(json, result, type));
        // What stands outside of texts is ASCII, so that these numbers land in texts, where JSON has the same form for them.
        return PrintableText.Of(Encoding.UTF8.GetString(json), "\r\n\t");
    }

    /// <summary>A table: with lines on a terminal, columns of text in a pipe.</summary>
    public void Table(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows, params ReadOnlySpan<int> rightAligned)
    {
        IReadOnlyList<IReadOnlyList<string>> lines = [.. rows];
        // A frame costs three characters a column.
        if (!IsTerminal || Widths(columns, lines).Sum(width => width + 3) + 1 > Console.Profile.Width)
        {
            PlainTable(columns, lines, rightAligned);
            return;
        }
        var table = new Table { Border = TableBorder.Rounded };
        for (int i = 0; i < columns.Count; i++)
        {
            table.AddColumn(new TableColumn($"[bold]{Markup.Escape(columns[i])}[/]")
            {
                NoWrap = true,
                Alignment = rightAligned.Contains(i) ? Justify.Right : Justify.Left,
            });
        }
        foreach (IReadOnlyList<string> row in lines)
            table.AddRow([.. row]);
        Console.Write(table);
    }

    private void PlainTable(IReadOnlyList<string> columns, IReadOnlyList<IReadOnlyList<string>> rows, ReadOnlySpan<int> rightAligned)
    {
        int[] widths = Widths(columns, rows);
        IReadOnlyList<string>[] head = columns.All(string.IsNullOrEmpty) ? [] : [[.. columns.Select(Strong)]];
        var lines = new TableLines(widths, IsTerminal ? Console.Profile.Width : PipeWidth, rightAligned);
        foreach (IReadOnlyList<string> row in head.Concat(rows))
        {
            foreach (string line in lines.Of(row, WidthOf, TextOf))
                PlainLine(line);
        }
    }

    private void PlainLine(string text)
    {
        if (!IsTerminal)
        {
            _out.WriteLine(TextOf(text));
            return;
        }
        // The console would break a long line at a blank, where a column was meant.
        int width = Console.Profile.Width;
        Console.Profile.Width = PipeWidth;
        Console.MarkupLine(text);
        Console.Profile.Width = width;
    }

    // Cells may hold markup, which paints and takes no room; what was escaped in it counts once.
    private static int WidthOf(string cell) => TextOf(cell).Length;

    private static string TextOf(string cell) => cell.AsSpan().IndexOfAny('[', ']') < 0 ? cell : Markup.Remove(cell);

    private static int[] Widths(IReadOnlyList<string> columns, IReadOnlyList<IReadOnlyList<string>> rows) =>
        [.. columns.Select((column, i) => Math.Max(column.Length, rows.Count == 0 ? 0 : rows.Max(row => WidthOf(row[i]))))];

    public void Line(string text = "") => Console.MarkupLine(text);

    /// <summary>Text without markup, for a program to read.</summary>
    public void Raw(string text) => _out.WriteLine(Words.Printable(text));

    /// <summary>A line to standard error: warnings.</summary>
    public void Error(string text) => _error.WriteLine(Words.Printable(text));

    /// <summary>Text without markup, in a line of its own or a part of one.</summary>
    public static string Plain(string text) => Markup.Escape(Words.Printable(text).Replace('\n', ' '));

    public string Good(string text) => Paint("green", text);
    public string Bad(string text) => Paint("red", text);
    public string Dim(string text) => Paint("grey", text);
    public string Strong(string text) => Paint("bold", text);

    private string Paint(string style, string text) => IsTerminal ? $"[{style}]{Plain(text)}[/]" : Plain(text);
}
