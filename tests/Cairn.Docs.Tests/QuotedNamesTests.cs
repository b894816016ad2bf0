using System.Text.RegularExpressions;

namespace Cairn.Docs.Tests;

/// <summary>What the guides quote of the code stands there: messages, and names of options.</summary>
public sealed partial class QuotedNamesTests
{
    [Fact]
    public void The_messages_in_the_guide_are_those_of_the_code()
    {
        string code = string.Concat(Repository.Files("*.cs", "src").Select(File.ReadAllText));
        string[] messages = [.. Page.Read(Guide("will-not-resume.md")).Tables.SelectMany(table => table.Skip(1)).SelectMany(row => Page.Code(row[0]))];
        messages.Length.ShouldBeGreaterThan(15);
        string[] unknown = [.. messages.Where(message => message.Split('…').Select(piece => piece.Trim()).Any(piece => !code.Contains(piece, StringComparison.Ordinal)))];
        unknown.ShouldBeEmpty("These messages are not in src/.");
    }

    [Fact]
    public void The_options_that_the_guides_name_exist()
    {
        var names = Repository.Files("PublicAPI.*.txt", "src").SelectMany(File.ReadLines).SelectMany(line => Word().Matches(line)).Select(match => match.Value).ToHashSet(StringComparer.Ordinal);
        string[] named = [.. Repository.Files("*.md", "docs").Select(Page.Read).SelectMany(page => page.Tables).Where(table => Page.Text(table[0][^1]).Trim() == "Cairn")
            .SelectMany(table => table.Skip(1)).SelectMany(row => Page.Code(row[^1])).SelectMany(code => Name().Matches(code)).Select(match => match.Value)];
        named.Length.ShouldBeGreaterThan(20);
        named.Where(name => !names.Contains(name)).Distinct(StringComparer.Ordinal).ShouldBeEmpty("No PublicAPI file has these names.");
    }

    private static string Guide(string name) => Path.Combine(Repository.Root, "docs", "guides", name);

    [GeneratedRegex(@"\w+", RegexOptions.None, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Word();

    // Of our own names only, as they are written in C#; names in quotes are values.
    [GeneratedRegex(@"(?<![\w""])[A-Z][a-z]+[A-Z]\w+", RegexOptions.None, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Name();
}
