using System.Globalization;
using System.Text.RegularExpressions;

namespace Cairn.Packages.Tests;

/// <summary>What a program left in its run's folder.</summary>
internal static partial class TrainedRun
{
    /// <summary>The steps that have a checkpoint with its marker.</summary>
    public static IEnumerable<long> Checkpoints(string run) =>
        Directory.GetDirectories(run).Select(folder => Path.GetFileName(folder)).Where(name => name.All(char.IsAsciiDigit) && File.Exists(Path.Combine(run, name, $"{name}.step")))
            .Select(name => long.Parse(name, CultureInfo.InvariantCulture));

    /// <summary>How each start of the program began: <c>started</c> anew, or <c>resumed</c>.</summary>
    public static string[] Starts(string run) =>
        [.. File.ReadLines(Path.Combine(run, "journal.jsonl")).Select(line => Event().Match(line).Groups[1].Value).Where(name => name is "started" or "resumed")];

    [GeneratedRegex("\"event\":\"([a-z_]+)\"")]
    private static partial Regex Event();
}
