using System.Globalization;

namespace Cairn.Stopping;

/// <summary>What an operator asks of a run that trains.</summary>
internal enum CommandAction
{
    /// <summary>Save a checkpoint and go on.</summary>
    Save,
    /// <summary>Save a checkpoint and stop.</summary>
    Stop,
}

/// <summary>
/// A command in a run's file <c>command</c>: one line, <c>save</c> or <c>stop</c>, then a step if it waits for one, then
/// <c>id=…</c> if whoever wrote it wants to find the answer in the journal. So <c>echo stop &gt; command</c> works too.
/// </summary>
/// <param name="Action">What is asked.</param>
/// <param name="Step">At which step, or the first one after it; <see langword="null"/> for now.</param>
/// <param name="Id">Names it in the journal; may be empty.</param>
internal sealed record RunCommand(CommandAction Action, long? Step = null, string Id = "")
{
    private const int LongestId = 64;
    private const string Grammar = "Write 'save' or 'stop', and then a step if the run should wait for one.";

    /// <summary>Reads a command.</summary>
    /// <param name="text">The file's text.</param>
    /// <param name="command">The command; <see langword="null"/> when there is none.</param>
    /// <param name="problem">What is wrong with the text and what to write instead; otherwise <see langword="null"/>.</param>
    public static bool TryParse(string text, out RunCommand? command, out string? problem)
    {
        ArgumentNullException.ThrowIfNull(text);
        (command, problem) = (null, null);
        string[] words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        CommandAction? action = words is [] ? null : words[0].ToUpperInvariant() switch { "SAVE" => CommandAction.Save, "STOP" => CommandAction.Stop, _ => null };
        if (action is null)
        {
            problem = $"It says neither save nor stop. {Grammar}";
            return false;
        }
        (long? step, string id) = (null, "");
        foreach (string word in words.Skip(1))
        {
            if (word.StartsWith("id=", StringComparison.Ordinal) && word.Length is > 3 and <= LongestId && word.All(c => char.IsAsciiLetterOrDigit(c) || c is '=' or '-'))
                id = word["id=".Length..];
            else if (long.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && step is null)
                step = number;
            else
            {
                problem = $"There is more after {words[0]} than a step. {Grammar}";
                return false;
            }
        }
        command = new RunCommand(action.Value, step, id);
        return true;
    }

    /// <summary>The line to write.</summary>
    public override string ToString() =>
        (Action == CommandAction.Save ? "save" : "stop") + (Step is { } step ? string.Create(CultureInfo.InvariantCulture, $" {step}") : "") + (Id.Length > 0 ? $" id={Id}" : "");
}
