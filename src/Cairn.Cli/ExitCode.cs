namespace Cairn.Cli;

/// <summary>What the command returns to the shell.</summary>
internal static class ExitCode
{
    /// <summary>Done, and nothing bad was found.</summary>
    public const int Good = 0;
    /// <summary>Done, and something bad was found: damage, a difference, a missing save.</summary>
    public const int FoundBad = 1;
    /// <summary>The command line cannot be understood.</summary>
    public const int WrongUse = 2;
    /// <summary>It could not be done: no such folder, no permission, a time-out, Ctrl-C.</summary>
    public const int CouldNot = 3;
}
