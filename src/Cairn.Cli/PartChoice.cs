namespace Cairn.Cli;

/// <summary>Parts by what the command line asks for.</summary>
internal static class PartChoice
{
    /// <summary>The parts that were asked for, in their own order; all when none was.</summary>
    /// <exception cref="WrongUseException">There is no such part.</exception>
    public static string[] Of(IReadOnlyList<string> parts, string[]? asked)
    {
        if (asked is null or [])
            return [.. parts];
        foreach (string name in asked)
        {
            if (!parts.Contains(name, StringComparer.Ordinal))
                throw new WrongUseException($"There is no part '{name}'. Parts there: {string.Join(", ", parts)}.");
        }
        return [.. parts.Where(part => asked.Contains(part, StringComparer.Ordinal))];
    }
}
