using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json.Serialization.Metadata;
using Cairn.Cli.Output;
using Cairn.Opening;

namespace Cairn.Cli.Verbs;

/// <summary>One word after <c>cairn</c>: its arguments, its help with an example, and what it does.</summary>
internal abstract class Verb
{
    private readonly Option<bool> _json = new("--json") { Description = "Print JSON instead of text; docs/json has its schema." };

    /// <summary>The command for the parser.</summary>
    public Command Create()
    {
        Command command = Define();
        command.Options.Add(_json);
        command.Validators.Add(given =>
        {
            if (given.Children.OfType<ArgumentResult>().Any(argument => argument.Tokens.Any(token => token.Value.Length == 0)))
                given.AddError("An argument is empty. Give a path.");
        });
        // On another thread: a signal ends the process also when the verb is kept waiting by a disk or a mount.
        command.SetAction((parsed, cancellationToken) => Task.Run(() => RunAgain(parsed, Screen.For(parsed.InvocationConfiguration, parsed.GetValue(_json)), cancellationToken), CancellationToken.None));
        return command;
    }

    /// <summary>What <c>--json</c> prints; its schema is in <c>docs/json</c>, made by the tests.</summary>
    public abstract JsonTypeInfo Result { get; }

    /// <summary>A line, or some, that can be typed.</summary>
    public abstract string Example { get; }

    /// <summary>What the verb's own help says besides the line that stands in the list of all.</summary>
    public virtual string Details => "";

    protected abstract Command Define();

    /// <summary>Does it on a screen that need not be the process's. A run that is trained meanwhile may replace a copy while it is read; nothing has been shown by then, and it is done again.</summary>
    internal int RunAgain(ParseResult parsed, Screen screen, CancellationToken cancellationToken) =>
        CheckpointReader.Again(() => Run(parsed, screen, cancellationToken));

    /// <summary>Does it, and gives the exit code. What is thrown because a copy changed meanwhile is tried again, so nothing may have been shown before.</summary>
    protected abstract int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken);

    protected static Argument<string> RunArgument() => new("run") { Description = "The run's folder or address.", HelpName = "RUN" };
}
