using System.CommandLine;
using System.CommandLine.Parsing;
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
            foreach (string message in parsed.Errors.Select(Said).Distinct(StringComparer.Ordinal))
                yield return command is RootCommand && parsed.UnmatchedTokens.Count == 0 ? "Say what to do." : message;
        }
        yield return $"Try: {path} --help";
    }

    // The parser speaks of types of .NET.
    private static string Said(ParseError error) => error.SymbolResult is OptionResult { Option: var option, Tokens: [var token, ..] } && NumberOf(option.ValueType) is { } number && error.Message.Contains("System.", StringComparison.Ordinal)
        ? $"{option.Name} takes {number}, not '{token.Value}'." : error.Message;

    private static string? NumberOf(Type type) => Type.GetTypeCode(Nullable.GetUnderlyingType(type) ?? type) switch
    {
        TypeCode.Int32 => $"a whole number up to {int.MaxValue}",
        TypeCode.Int64 => "a whole number",
        TypeCode.Double => "a number",
        _ => null,
    };

    private static IEnumerable<string> Options(Command command) =>
        command.Options.SelectMany(option => option.Aliases.Append(option.Name)).Where(name => name.StartsWith("--", StringComparison.Ordinal));

    private static string Meant(string typed, IEnumerable<string> names) =>
        EditDistance.Nearest(typed, names, name => name.ToUpperInvariant()) is { } nearest ? $" Did you mean '{nearest}'?" : "";
}
