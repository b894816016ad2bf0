using Cairn.State;

namespace Cairn.Layouts;

/// <summary>
/// A part in two files: what training changes, and what it does not (<see cref="StateTensor.IsFrozen"/>). The first has the keys of the second too, so the part keeps its order and
/// cannot be read without both; the second is nothing but tensors, so that its bytes are the same at each save.
/// </summary>
/// <param name="Changing">What training changes, with <see cref="StateElsewhere"/> at the places of the others.</param>
/// <param name="Frozen">What it does not.</param>
internal sealed record FrozenSplit(StateMap Changing, StateMap Frozen)
{
    /// <summary>What is smaller is not worth a file, in bytes.</summary>
    public const long LeastBytes = 1 << 20;

    /// <summary>Splits a part; <see langword="null"/> when all of it or too little is frozen.</summary>
    public static FrozenSplit? Of(StateMap state)
    {
        var (changing, frozen) = (new StateMap(), new StateMap());
        bool changes = false;
        foreach ((string key, StateNode node) in state)
        {
            bool isFrozen = node is StateTensor { IsFrozen: true };
            changes |= !isFrozen;
            changing.Add(key, isFrozen ? StateElsewhere.Instance : node);
            if (isFrozen)
                frozen.Add(key, node);
        }
        return changes && frozen.Values.Cast<StateTensor>().Distinct(ReferenceEqualityComparer.Instance).Sum(static tensor => ((StateTensor)tensor!).ByteLength) >= LeastBytes ? new FrozenSplit(changing, frozen) : null;
    }
}
