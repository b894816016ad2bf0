using Cairn.Layouts.InternLm;
using Cairn.State;

namespace Cairn.Opening;

/// <summary>Which parts of a copy that InternLM wrote are given to the owners of a run.</summary>
/// <param name="checkpoint">The copy.</param>
/// <param name="isWhole">Whether all that fits is taken, and not parts that were asked for by name.</param>
/// <param name="notes">Takes what is left out.</param>
internal sealed class InternLmParts(InternLmCheckpoint checkpoint, bool isWhole, ICollection<string> notes)
{
    // A run that goes on without one of these would be another run.
    private static readonly string[] Needed = [InternLmCheckpoint.Model, InternLmCheckpoint.Context];

    /// <summary>Whether a part stays as it is: InternLM does not save it, or its sampler or loss scaler is another one.</summary>
    public bool Leaves(IStatePart part)
    {
        if (!isWhole || Needed.Contains(part.Name, StringComparer.Ordinal))
            return false;
        if (!checkpoint.Has(part.Name))
        {
            notes.Add($"{part.Name}: starts fresh: the copy that InternLM saved does not have it");
            return true;
        }
        if (part.Name is not (InternLmCheckpoint.Sampler or InternLmCheckpoint.Scaler))
            return false;
        var problems = new RestoreProblems();
        part.Check(checkpoint.Load(part.Name), problems);
        if (problems.None)
            return false;
        notes.Add($"{part.Name}: starts fresh: what InternLM saved is the state of another {part.Name}{(part.Name == InternLmCheckpoint.Sampler ? "; the data come in another order" : "")}");
        return true;
    }
}
