using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Cairn.Cli.Tests;

/// <summary>
/// What a command must print, kept in files beside this one. Times, rates, sizes of small files, ids and folders are replaced by what they are. With
/// <c>CAIRN_UPDATE_GOLDEN=1</c> in the environment the files are written anew; look at what has changed before keeping it.
/// </summary>
internal static partial class Golden
{
    /// <summary>Whether the files are written anew.</summary>
    public static bool Updates => Environment.GetEnvironmentVariable("CAIRN_UPDATE_GOLDEN") == "1";

    /// <summary>The root of the sources.</summary>
    public static string Repository => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "..", ".."));

    /// <summary>Compares what is left after <see cref="Normalize"/>.</summary>
    public static void Check(string name, string output, string? folder = null) => CheckExactly(name, Normalize(output, folder));

    /// <summary>Compares to the letter.</summary>
    public static void CheckExactly(string name, string normal)
    {
        string path = Path.Combine(Repository, "tests", "Cairn.Cli.Tests", "Golden", name);
        if (Updates)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, normal);
        }
        File.Exists(path).ShouldBeTrue($"There is no {path}; set CAIRN_UPDATE_GOLDEN=1 to write it.");
        normal.ShouldBe(File.ReadAllText(path), $"{path} differs; set CAIRN_UPDATE_GOLDEN=1 to write it anew.");
    }

    /// <summary>The output without what differs from run to run.</summary>
    public static string Normalize(string output, string? folder)
    {
        string text = output.Replace("\r\n", "\n", StringComparison.Ordinal);
        if (folder is not null)
            text = text.Replace(folder, "<folder>", StringComparison.Ordinal);
        text = Id().Replace(text, "<id>");
        text = Moment().Replace(text, "<when>");
        text = Rate().Replace(text, "<rate>");
        text = Share().Replace(text, "<share> of the time");
        text = Size().Replace(text, "<size>");
        text = Process().Replace(text, "process <pid>");
        text = Duration().Replace(text, "<time>");
        text = Seconds().Replace(text, "\"seconds\": <time>");
        // What is over at once has no rate.
        text = text.Replace("<time> (<rate>)", "<time>", StringComparison.Ordinal);
        // Columns are as wide as what was in them.
        text = Rule().Replace(text, "──");
        return Columns().Replace(text, "  ");
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;

    [GeneratedRegex("[0-9a-f]{32}")]
    private static partial Regex Id();

    [GeneratedRegex(@"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|\+00:00)?")]
    private static partial Regex Moment();

    [GeneratedRegex(@"\d+(\.\d+)? [kMGT]?B/s")]
    private static partial Regex Rate();

    [GeneratedRegex(@"\d+(\.\d+)? % of the time")]
    private static partial Regex Share();

    [GeneratedRegex(@"(?<![\w.])\d+(\.\d+)? k?B\b(?!/)")]
    private static partial Regex Size();

    [GeneratedRegex(@"process \d+")]
    private static partial Regex Process();

    [GeneratedRegex(@"(?<![\w.])(\d+d \d+h|\d+h \d+m|\d+m \d+s|\d+(\.\d+)?m?s)(?!\w)")]
    private static partial Regex Duration();

    [GeneratedRegex("\"seconds\": [0-9.E+-]+")]
    private static partial Regex Seconds();

    [GeneratedRegex("─{2,}")]
    private static partial Regex Rule();

    [GeneratedRegex(" {2,}")]
    private static partial Regex Columns();
}
