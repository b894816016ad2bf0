namespace Cairn.State;

/// <summary>What the state that one rank has of a part has to do with that of the other ranks.</summary>
public enum PartScope
{
    /// <summary>
    /// One state for all ranks. A tensor or value stands under one name on every rank that has it, and is saved once; a tensor that a rank holds only
    /// a shard of is declared as a <see cref="ShardTensor"/>.
    /// </summary>
    Shared,
    /// <summary>One state for each data-parallel rank, saved by the first of its ranks. Where all are equal, as the sampler's are, any number of ranks can take them.</summary>
    PerDataRank,
    /// <summary>One state for each rank, such as its random numbers.</summary>
    PerRank,
}

/// <summary>
/// One named part of the state: <c>model</c>, <c>optimizer</c>, <c>scheduler</c>, <c>sampler</c>, <c>random</c>, or a part of the user's own.
/// All members are called on the training thread, between batches.
/// </summary>
public interface IStatePart
{
    /// <summary>What the state of one rank has to do with that of the others. <see cref="PartScope.Shared"/> unless the part says otherwise.</summary>
    PartScope Scope => PartScope.Shared;

    /// <summary>
    /// Whether tensors of this part may vanish or shrink from one save to the next, as gradients do. Of any other part such a save is refused with a
    /// <see cref="LostContentException"/>, because its object was most likely disposed. Default <see langword="false"/>.
    /// </summary>
    bool MayShrink => false;

    /// <summary>The part's name: lower-case letters, digits and <c>_</c>. It names the part's file.</summary>
    string Name { get; }

    /// <summary>
    /// The current state. Tensors refer to live memory (they are copied right after the call returns, and not used after
    /// the next training step); small values are copies.
    /// </summary>
    StateMap Capture();

    /// <summary>Compares a saved state with what this part can take, and reports what does not fit. Changes nothing.</summary>
    void Check(StateMap saved, RestoreProblems problems);

    /// <summary>Takes over a saved state that <see cref="Check"/> found good. Its tensors read straight from the file into what <see cref="StateTensor.CopyTo"/> is given.</summary>
    void Restore(StateMap saved);
}

/// <summary>What does not fit between a saved state and the objects that take it.</summary>
public sealed class RestoreProblems
{
    private readonly List<string> _missing = [], _unexpected = [], _mismatched = [];

    /// <summary>Entries that the live object has and the saved state lacks.</summary>
    public IReadOnlyList<string> Missing => _missing;
    /// <summary>Entries that the saved state has and the live object lacks.</summary>
    public IReadOnlyList<string> Unexpected => _unexpected;
    /// <summary>Entries of another shape, type or value range, each with what was expected and what was found.</summary>
    public IReadOnlyList<string> Mismatched => _mismatched;
    /// <summary>Whether nothing was reported.</summary>
    public bool None => _missing.Count + _unexpected.Count + _mismatched.Count == 0;

    /// <summary>Reports an entry that the saved state lacks.</summary>
    public void AddMissing(string entry) => _missing.Add(entry);
    /// <summary>Reports an entry that the live object lacks.</summary>
    public void AddUnexpected(string entry) => _unexpected.Add(entry);
    /// <summary>Reports an entry that is there but does not fit.</summary>
    public void AddMismatched(string entry, string expected, string found) => _mismatched.Add($"{entry}: expected {expected}, found {found}");
}
