using System.IO.Enumeration;
using Cairn.State;

namespace Cairn.Opening;

/// <summary>Which entries of a part may differ between the copy that a run begins with and the program, such as those of a new head. Patterns with <c>*</c> and <c>?</c>, over the names of a part.</summary>
/// <param name="missing">Entries of the program that the copy may lack, or have in another form.</param>
/// <param name="unexpected">Entries of the copy that the program may lack.</param>
internal sealed class ResumeAllowance(IEnumerable<string> missing, IEnumerable<string> unexpected)
{
    private readonly string[] _missing = [.. missing], _unexpected = [.. unexpected];

    /// <summary>Entries that stay as the program made them.</summary>
    public List<string> KeptAsBuilt { get; } = [];

    /// <summary>Entries of the copy that nobody takes.</summary>
    public List<string> NotTaken { get; } = [];

    /// <summary>What an owner is to be given: its own state where the copy's is missing or of another form, and nothing of what it does not have, as far as that is allowed.</summary>
    /// <param name="owner">The part.</param>
    /// <param name="saved">What the copy has of it.</param>
    public StateMap Applied(IStatePart owner, StateMap saved)
    {
        if (_missing.Length + _unexpected.Length == 0)
            return saved;
        StateMap live = owner.Capture(), given = new();
        foreach ((string entry, StateNode node) in saved)
        {
            if (!live.TryGetValue(entry, out StateNode? own))
            {
                if (Matches(_unexpected, entry))
                    NotTaken.Add($"{owner.Name}/{entry}");
                else
                    given.Add(entry, node);
            }
            else if (own is StateTensor built && node is StateTensor found && !IsAlike(built, found) && Matches(_missing, entry))
                given.Add(entry, Kept(owner, entry, own));
            else
                given.Add(entry, node);
        }
        foreach ((string entry, StateNode own) in live)
        {
            if (!saved.ContainsKey(entry) && Matches(_missing, entry))
                given.Add(entry, Kept(owner, entry, own));
        }
        return given;
    }

    // Written onto itself, it stays what it is.
    private StateNode Kept(IStatePart owner, string entry, StateNode own)
    {
        KeptAsBuilt.Add($"{owner.Name}/{entry}");
        return own;
    }

    private static bool IsAlike(StateTensor built, StateTensor found) => built.Type == found.Type && built.Shape.SequenceEqual(found.Shape);

    private static bool Matches(string[] patterns, string entry) => Array.Exists(patterns, pattern => FileSystemName.MatchesSimpleExpression(pattern, entry, ignoreCase: false));
}
