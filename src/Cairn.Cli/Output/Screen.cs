using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
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
        if (!IsJson)
        {
            render(result);
            return;
        }
        var buffer = new ArrayBufferWriter<byte>();
        // For eyes and other programs, not for a web page: quotes and umlauts stay as they are.
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            JsonSerializer.Serialize(json, result, type);
        _out.WriteLine(Encoding.UTF8.GetString(buffer.WrittenSpan));
    }

    /// <summary>A table: with lines on a terminal, columns of text in a pipe.</summary>
    public void Table(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows, params ReadOnlySpan<int> rightAligned)
    {
        if (!IsTerminal)
        {
            PlainTable(columns, rows, rightAligned);
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
        foreach (IReadOnlyList<string> row in rows)
            table.AddRow([.. row]);
        Console.Write(table);
    }

    // Cells may hold markup; without a terminal it paints nothing, but what was escaped in it counts once.
    private void PlainTable(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows, ReadOnlySpan<int> rightAligned)
    {
        List<string[]> lines = [[.. columns], .. rows.Select(row => (string[])[.. row.Select(Markup.Remove)])];
        if (columns.All(string.IsNullOrEmpty))
            lines.RemoveAt(0);
        int[] widths = [.. columns.Select((_, i) => lines.Max(line => line[i].Length))];
        foreach (string[] line in lines)
        {
            var text = new StringBuilder();
            for (int i = 0; i < line.Length; i++)
                text.Append(rightAligned.Contains(i) ? line[i].PadLeft(widths[i]) : line[i].PadRight(widths[i])).Append("  ");
            _out.WriteLine(text.ToString().TrimEnd());
        }
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
