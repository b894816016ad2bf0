using Cairn.Cli.Output;

namespace Cairn.Cli.Tests.Output;

/// <summary>A table where the terminal is narrow.</summary>
public class TableLinesTests
{
    private static readonly string[][] Rows =
    [
        ["step", "kind", "why", "age", "size", "status", "branch"],
        ["3400", "snapshot 1", "snapshot", "1h 6m", "2.30 MB", "complete", "main"],
        ["2000", "checkpoint", "interval", "14h 0m", "2.30 MB", "incomplete: scheduler.json: the file is missing and so is layers.0.attention.wqkv.weight", "main"],
        ["1000", "checkpoint", "", "", "", "", ""],
    ];

    [Fact]
    public void What_fits_is_one_line_a_row() => Lines(200).Length.ShouldBe(4);

    [Theory, InlineData(60), InlineData(40)]
    public void No_line_is_wider_than_the_terminal_and_no_word_is_broken(int width)
    {
        string[] lines = Lines(width);
        lines.ShouldAllBe(line => line.Length <= width && !line.EndsWith(' '));
        string[] words = [.. lines.SelectMany(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
        words.ShouldBe(Rows.SelectMany(row => row.SelectMany(cell => cell.Split(' ', StringSplitOptions.RemoveEmptyEntries))));
        // A row that has nothing there needs no second line.
        lines[^1].ShouldBe("1000  checkpoint");
    }

    private static string[] Lines(int width)
    {
        int[] widths = [.. Enumerable.Range(0, Rows[0].Length).Select(i => Rows.Max(row => row[i].Length))];
        var table = new TableLines(widths, width, [0]);
        return [.. Rows.SelectMany(row => table.Of(row, cell => cell.Length, cell => cell))];
    }
}
