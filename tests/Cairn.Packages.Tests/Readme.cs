namespace Cairn.Packages.Tests;

/// <summary>The blocks of the README's quick start, in order.</summary>
internal static class Readme
{
    public static string NewProject => Blocks("sh")[0];
    public static string LocalFeed => Blocks("sh")[1];
    public static string Program => Blocks("csharp").Single();
    public static string Train => Blocks("sh")[2].Trim();
    public static string Look => Blocks("sh")[3];

    /// <summary>The command in the text that installs the tool.</summary>
    public static string InstallTool => Section().SelectMany(line => line.Split('`')).First(text => text.StartsWith("dotnet tool install", StringComparison.Ordinal));

    private static string[] Section() =>
        [.. File.ReadLines(Path.Combine(Repository.Root, "README.md")).SkipWhile(line => line != "## Quick start").Skip(1)
            .TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal))];

    private static List<string> Blocks(string language)
    {
        var blocks = new List<string>();
        string[] lines = Section();
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i] != $"```{language}")
                continue;
            int end = Array.IndexOf(lines, "```", i);
            blocks.Add(string.Join('\n', lines[(i + 1)..end]) + "\n");
            i = end;
        }
        return blocks;
    }
}
