using Cairn.Cli.Output;
using Cairn.State;

namespace Cairn.Cli;

/// <summary>The one place that tells the user of an error: its message, and what it means to the shell. No stack trace is shown unless <c>CAIRN_DEBUG=1</c> asks for it.</summary>
internal static class Failure
{
    private const string Debug = "CAIRN_DEBUG";

    /// <summary>Tells, on <paramref name="error"/>, and gives the exit code.</summary>
    public static int Report(Exception exception, TextWriter error)
    {
        Exception cause = Cause(exception);
        // Nobody is there to be told.
        if (cause is OutputClosedException)
            return ExitCode.CouldNot;
        error.WriteLine(Environment.GetEnvironmentVariable(Debug) == "1" && cause is not WrongUseException ? Words.Printable(exception.ToString()) : Words.Printable(Text(cause)));
        return cause is WrongUseException ? ExitCode.WrongUse : ExitCode.CouldNot;
    }

    private static string Text(Exception cause) => cause switch
    {
        OperationCanceledException => "Stopped.",
        OutOfMemoryException => "There is not enough memory for this.",
        WrongUseException or CheckpointException or IOException or UnauthorizedAccessException => cause.Message,
        ArgumentException argument => Unexpected(argument.WithoutParameter()),
        _ => Unexpected(cause.Message),
    };

    private static string Unexpected(string message) => $"{message}\nThis should not happen. {Debug}=1 shows where it arose; please report it with that.";

    // What many threads or a static field met is told by the first of it.
    private static Exception Cause(Exception exception) => exception switch
    {
        AggregateException { InnerExceptions: [var first, ..] } => Cause(first),
        TypeInitializationException { InnerException: { } inner } => Cause(inner),
        _ => exception,
    };
}
