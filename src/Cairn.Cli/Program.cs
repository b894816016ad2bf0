using System.CommandLine;
using Cairn.Cli;
using Cairn.Cli.Output;
using Cairn.S3;

Console.SetOut(new GuardedWriter(StandardOutput.Open()));
Console.SetError(new GuardedWriter(Console.Error));
// What ends a thread of its own would print a stack trace and dump core.
AppDomain.CurrentDomain.UnhandledException += (_, unhandled) => Environment.Exit(Failure.Report((Exception)unhandled.ExceptionObject));
S3RunStores.Register();
try
{
    // What a shell did not, as behind '=' and in files.
    ParseResult parsed = CommandLine.Parse([.. args.Select(CommandLine.WithHome)]);
    // A shell that asks for completions has a line that is not whole yet.
    bool completes = args is [['[', 's', 'u', 'g', 'g', 'e', 's', 't', ..], ..];
    if (parsed.Errors.Count == 0 || completes)
        return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = CommandLine.EndingOf(parsed) });
    throw new WrongUseException(string.Join('\n', Mistyped.Explain(parsed)));
}
catch (Exception e)
{
    return Failure.Report(e);
}
