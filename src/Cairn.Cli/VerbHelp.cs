using System.CommandLine;
using System.CommandLine.Invocation;
using Cairn.Cli.Verbs;

namespace Cairn.Cli;

/// <summary>The help. That of the whole command has a line for each verb; a verb's own says the rest, with an example.</summary>
/// <param name="standard">What lays it out.</param>
/// <param name="verbs">The verbs by their commands.</param>
internal sealed class VerbHelp(SynchronousCommandLineAction standard, IReadOnlyDictionary<Command, Verb> verbs) : SynchronousCommandLineAction
{
    // Help is asked for where something is missing.
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        Command command = parseResult.CommandResult.Command;
        if (verbs.TryGetValue(command, out Verb? verb))
            command.Description = $"{command.Description}{(verb.Details.Length > 0 ? "\n" : "")}{verb.Details}\n\nExample:\n  {verb.Example}";
        return standard.Invoke(parseResult);
    }
}
