using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Spectre.Console;

namespace Cairn.Cli.Output;

/// <summary>Where a verb shows its result: colour and tables on a terminal, plain text in a pipe, JSON when asked.</summary>
internal sealed class Screen
{
    private const int PipeWidth = 4096;

    private readonly TextWriter _out;
    private readonly TextWriter _error;

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
    }

    /// <summary>For tables and text of people.</summary>
    public IAnsiConsole Console { get; }

    public bool IsTerminal { get; }

    public bool IsJson { get; }

    public static Screen ForProcess(bool json) =>
        new(System.Console.Out, System.Console.Error, !System.Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb", json);

    /// <summary>Shows a result: as JSON, or as <paramref name="render"/> draws it.</summary>
    public void Show<T>(T result, JsonTypeInfo<T> type, Action<T> render)
    {
        if (IsJson)
            _out.WriteLine(JsonSerializer.Serialize(result, type));
        else
            render(result);
    }

    /// <summary>A table: with lines on a terminal, columns of text in a pipe.</summary>
    public void Table(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows, params ReadOnlySpan<int> rightAligned)
    {
        var table = new Table { Border = IsTerminal ? TableBorder.Rounded : TableBorder.None };
        for (int i = 0; i < columns.Count; i++)
        {
            var column = new TableColumn(IsTerminal ? $"[bold]{Markup.Escape(columns[i])}[/]" : Markup.Escape(columns[i])) { NoWrap = true };
            column.Alignment = rightAligned.Contains(i) ? Justify.Right : Justify.Left;
            if (!IsTerminal)
                column.Padding = new Padding(0, 0, 2, 0);
            table.AddColumn(column);
        }
        foreach (IReadOnlyList<string> row in rows)
            table.AddRow([.. row]);
        Console.Write(table);
    }

    public void Line(string text = "") => Console.MarkupLine(text);

    /// <summary>A line to standard error: progress, warnings, errors.</summary>
    public void Error(string text) => _error.WriteLine(text);

    public static string Plain(string text) => Markup.Escape(text);

    public string Good(string text) => Paint("green", text);
    public string Bad(string text) => Paint("red", text);
    public string Dim(string text) => Paint("grey", text);
    public string Strong(string text) => Paint("bold", text);

    private string Paint(string style, string text) => IsTerminal ? $"[{style}]{Plain(text)}[/]" : Plain(text);
}
