using System.CommandLine;
using Cairn;
using Cairn.Cli;
using Cairn.Cli.Output;

RootCommand root = CommandLine.Create();
ParseResult parsed = root.Parse(args);
// A shell that asks for completions has a line that is not whole yet.
bool completes = args is [['[', 's', 'u', 'g', 'g', 'e', 's', 't', ..], ..];
if (parsed.Errors.Count > 0 && !completes)
{
    foreach (string line in Mistyped.Explain(parsed))
        await Console.Error.WriteLineAsync(Words.Printable(line));
    return ExitCode.WrongUse;
}
try
{
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (WrongUseException e)
{
    await Console.Error.WriteLineAsync(Words.Printable(e.Message));
    return ExitCode.WrongUse;
}
catch (OperationCanceledException)
{
    await Console.Error.WriteLineAsync("Stopped.");
    return ExitCode.CouldNot;
}
catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException)
{
    await Console.Error.WriteLineAsync(Words.Printable(e.Message));
    return ExitCode.CouldNot;
}
