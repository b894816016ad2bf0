using Cairn.State;

namespace Cairn;

/// <summary>Whether a saved state fits a part that is made of plain values.</summary>
internal static class PartFit
{
    /// <summary>Refuses a state that the part cannot take, before anything is changed.</summary>
    /// <param name="part">The part.</param>
    /// <param name="saved">What was saved of it.</param>
    /// <param name="advice">What to do then; follows the problems.</param>
    /// <exception cref="StateMismatchException">It does not pass the part's check.</exception>
    public static void Require(IStatePart part, StateMap saved, string advice = "")
    {
        RestoreProblems problems = new();
        part.Check(saved, problems);
        if (!problems.None)
            throw new StateMismatchException($"The saved part '{part.Name}' cannot be taken over: {string.Join("; ", [.. problems.Missing.Select(entry => $"{entry} is missing"), .. problems.Mismatched])}.{advice}", problems);
    }
}
