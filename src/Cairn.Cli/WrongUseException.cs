namespace Cairn.Cli;

/// <summary>The command line was read and makes no sense; the message says what to type.</summary>
internal sealed class WrongUseException(string message) : Exception(message);
