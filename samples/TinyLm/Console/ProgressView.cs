using Spectre.Console;

namespace TinyLm;

/// <summary>Chooses how to show training.</summary>
public static class ProgressView
{
    /// <summary>A live table on a terminal; plain lines when output goes elsewhere or the terminal is dumb.</summary>
    /// <remarks>NO_COLOR (no-color.org) takes the colours from the table, not the table.</remarks>
    public static ITrainingView Create(int logEvery)
    {
        var dumb = string.Equals(Environment.GetEnvironmentVariable("TERM"), "dumb", StringComparison.Ordinal);
        if (Console.IsOutputRedirected || dumb)
        {
            return new PlainProgressView(Console.Out, logEvery);
        }
        var colourless = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        return new LiveProgressView(
            AnsiConsole.Create(new AnsiConsoleSettings
            {
                ColorSystem = colourless ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
            }),
            TimeProvider.System);
    }
}
