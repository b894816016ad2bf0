using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Cairn.Cli.Tests;

/// <summary>
/// What a command shall print, kept in files beside this one. Times, rates, ids and folders are replaced by what they are. With
/// <c>CAIRN_UPDATE_GOLDEN=1</c> in the environment the files are written anew; look at what has changed before keeping it.
/// </summary>
internal static partial class Golden
{
    public static void Check(string name, string output, string? folder = null, [CallerFilePath] string caller = "")
    {
        string path = Path.Combine(Path.GetDirectoryName(caller)!, "Golden", name);
        string normal = Normalize(output, folder);
        if (Environment.GetEnvironmentVariable("CAIRN_UPDATE_GOLDEN") == "1")
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
        text = Process().Replace(text, "process <pid>");
        text = Duration().Replace(text, "<time>");
        // Columns are as wide as what was in them.
        text = Rule().Replace(text, "──");
        return Columns().Replace(text, "  ");
    }

    [GeneratedRegex("[0-9a-f]{32}")]
    private static partial Regex Id();

    [GeneratedRegex(@"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|\+00:00)?")]
    private static partial Regex Moment();

    [GeneratedRegex(@"\d+(\.\d+)? [kMGT]?B/s")]
    private static partial Regex Rate();

    [GeneratedRegex(@"process \d+")]
    private static partial Regex Process();

    [GeneratedRegex(@"(?<![\w.])(\d+d \d+h|\d+h \d+m|\d+m \d+s|\d+(\.\d+)?m?s)(?!\w)")]
    private static partial Regex Duration();

    [GeneratedRegex("─{2,}")]
    private static partial Regex Rule();

    [GeneratedRegex(" {2,}")]
    private static partial Regex Columns();
}
