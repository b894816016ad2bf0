using Cairn.State;

namespace Cairn.Layouts.PyTorch;

/// <summary>The flattened pieces that the ranks of DeepSpeed's ZeRO have of one thing: the weights of a group of parameters, or a field of the optimizer for them.</summary>
/// <param name="ranks">What each rank saved.</param>
/// <param name="of">The pieces of a rank, in their order.</param>
internal sealed class ZeroPieces(StateMap[] ranks, Func<StateMap, StateTensor[]> of)
{
    private StateTensor? _whole;

    /// <summary>Of each rank, one behind the other.</summary>
    public StateTensor[] Ranks { get; } = [.. ranks.Select(rank => TensorOperations.Concat(of(rank), 0))];

    /// <summary>All ranks', one behind the other.</summary>
    public StateTensor Whole => _whole ??= TensorOperations.Concat(Ranks, 0);
}
