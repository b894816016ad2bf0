using System.CommandLine;
using Cairn;
using Cairn.Cli;
using Cairn.Cli.Verbs;

var root = new RootCommand("Lists, checks, compares and prunes checkpoints, and says what a training run really did.\n\nExit codes: 0 good, 1 found something bad, 2 wrong use, 3 could not.");
foreach (Verb verb in (Verb[])[new LsVerb(TimeProvider.System), new ShowVerb(), new VerifyVerb(), new DiffVerb(), new StatsVerb(), new PruneVerb(), new BranchVerb(), new PlanVerb()])
    root.Subcommands.Add(verb.Create());

ParseResult parsed = root.Parse(args);
if (parsed.Errors.Count > 0)
{
    foreach (var error in parsed.Errors)
        await Console.Error.WriteLineAsync(error.Message);
    await Console.Error.WriteLineAsync($"Try: cairn {(parsed.CommandResult.Command == root ? "" : parsed.CommandResult.Command.Name + " ")}--help");
    return ExitCode.WrongUse;
}
try
{
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (WrongUseException e)
{
    await Console.Error.WriteLineAsync(e.Message);
    return ExitCode.WrongUse;
}
catch (OperationCanceledException)
{
    await Console.Error.WriteLineAsync("Stopped.");
    return ExitCode.CouldNot;
}
catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException)
{
    await Console.Error.WriteLineAsync(e.Message);
    return ExitCode.CouldNot;
}
