namespace Cairn.State;

/// <summary>What an argument's error says to people.</summary>
internal static class ArgumentMessage
{
    /// <summary>The message without the name of the parameter, which only programmers know.</summary>
    public static string WithoutParameter(this ArgumentException error) =>
        error.ParamName is { } name ? error.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal) : error.Message;
}
