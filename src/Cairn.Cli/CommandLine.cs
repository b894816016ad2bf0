using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Cairn.Cli.Verbs;
using Cairn.Stores;

namespace Cairn.Cli;

/// <summary>The whole command: every verb.</summary>
internal static class CommandLine
{
    /// <summary>The verbs in the order of the help.</summary>
    public static IReadOnlyList<Verb> Verbs() =>
    [
        new LsVerb(TimeProvider.System), new ShowVerb(), new VerifyVerb(), new DiffVerb(), new StatsVerb(), new PlanVerb(), new AuditVerb(), new ReportVerb(TimeProvider.System), new ExportVerb(), new ServeVerb(TimeProvider.System), new WatchVerb(TimeProvider.System), new SaveVerb(), new StopVerb(), new CpVerb(), new SyncVerb(), new PruneVerb(), new KeepVerb(TimeProvider.System), new ConvertVerb(), new BranchVerb(), new CompletionVerb(),
    ];

    /// <summary>Does what a command line says, and gives the exit code. An error is told in words.</summary>
    /// <param name="arguments">The verb and what follows it.</param>
    /// <param name="output">Where the result goes: standard output, which may be a terminal and which signals belong to, or what is taken for a pipe.</param>
    /// <param name="error">Where warnings and errors go.</param>
    public static async Task<int> RunAsync(string[] arguments, TextWriter output, TextWriter error)
    {
        try
        {
            // What a shell did not, as behind '=' and in files.
            ParseResult parsed = Parse([.. arguments.Select(WithHome)]);
            // A shell that asks for completions has a line that is not whole yet.
            bool completes = arguments is [['[', 's', 'u', 'g', 'g', 'e', 's', 't', ..], ..];
            if (parsed.Errors.Count > 0 && !completes)
                throw new WrongUseException(string.Join('\n', Mistyped.Explain(parsed)));
            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                Output = output, Error = error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = output == Console.Out ? EndingOf(parsed) : null,
            });
        }
        catch (Exception e)
        {
            return Failure.Report(e, error);
        }
    }

    /// <summary>Reads a command line. A name that begins with <c>@</c> is a name, not a file of more arguments.</summary>
    public static ParseResult Parse(IReadOnlyList<string> arguments) => Create().Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });

    /// <summary>An argument with the home folder in the place of <c>~</c> at the beginning of a path, also of one behind <c>=</c>.</summary>
    public static string WithHome(string argument) => argument.StartsWith("--", StringComparison.Ordinal) && argument.IndexOf("=~", StringComparison.Ordinal) is > 0 and var sign
        ? argument[..(sign + 1)] + HomeFolder.Expanded(argument[(sign + 1)..]) : HomeFolder.Expanded(argument);

    /// <summary>Time that a verb has after Ctrl-C or SIGTERM; those that write copies remove what they began, which a store may take its time for.</summary>
    public static TimeSpan EndingOf(ParseResult parsed) => TimeSpan.FromSeconds(parsed.CommandResult.Command.Name is CpVerb.Name or SyncVerb.Name ? 30 : 2);

    public static RootCommand Create()
    {
        var root = new RootCommand(
            "Checkpoints of training runs: what exists, whether it is good, what is in it, what the run did, how often to save.\n" +
            "cairn VERB --help explains a verb, with an example. Exit codes: 0 good, 1 found something bad, 2 wrong use, 3 could not.");
        Dictionary<Command, Verb> verbs = Verbs().ToDictionary(verb => verb.Create());
        foreach (Command verb in verbs.Keys)
            root.Subcommands.Add(verb);
        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new VerbHelp((SynchronousCommandLineAction)help.Action!, verbs);
        return root;
    }
}
