using System.CommandLine;
using Cairn.Configuration;

namespace Cairn.Cli;

/// <summary>Says what is wrong with a command line, and what to type instead.</summary>
internal static class Mistyped
{
    /// <summary>The lines to show, the last one a command to try.</summary>
    public static IEnumerable<string> Explain(ParseResult parsed)
    {
        Command command = parsed.CommandResult.Command;
        string path = command is RootCommand ? "cairn" : $"cairn {command.Name}";
        if (command is RootCommand && parsed.UnmatchedTokens.FirstOrDefault(token => !token.StartsWith('-')) is { } verb)
        {
            yield return $"There is no '{verb}'.{Meant(verb, command.Subcommands.Select(known => known.Name))}";
            yield return $"Verbs: {string.Join(", ", command.Subcommands.Select(known => known.Name))}. Try: cairn --help";
            yield break;
        }
        string[] unknown = [.. parsed.UnmatchedTokens.Where(token => token.StartsWith('-'))];
        foreach (string option in unknown)
            yield return $"'{path}' has no option {option}.{Meant(option, Options(command))}";
        // A missing argument behind a mistyped option is the same mistake twice.
        if (unknown.Length == 0)
        {
            foreach (string message in parsed.Errors.Select(error => error.Message).Distinct(StringComparer.Ordinal))
                yield return command is RootCommand && parsed.UnmatchedTokens.Count == 0 ? "Say what to do." : message;
        }
        yield return $"Try: {path} --help";
    }

    private static IEnumerable<string> Options(Command command) =>
        command.Options.SelectMany(option => option.Aliases.Append(option.Name)).Where(name => name.StartsWith("--", StringComparison.Ordinal));

    private static string Meant(string typed, IEnumerable<string> names) =>
        EditDistance.Nearest(typed, names, name => name.ToUpperInvariant()) is { } nearest ? $" Did you mean '{nearest}'?" : "";
}
