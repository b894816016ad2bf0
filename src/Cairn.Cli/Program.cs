using Cairn.Cli;
using Cairn.Cli.Output;
using Cairn.S3;

Console.SetOut(new GuardedWriter(StandardOutput.Open()));
Console.SetError(new GuardedWriter(Console.Error));
// What ends a thread of its own would print a stack trace and dump core.
AppDomain.CurrentDomain.UnhandledException += (_, unhandled) => Environment.Exit(Failure.Report((Exception)unhandled.ExceptionObject, Console.Error));
S3RunStores.Register();
return await CommandLine.RunAsync(args, Console.Out, Console.Error);
