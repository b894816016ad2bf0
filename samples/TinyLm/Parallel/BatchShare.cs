using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace TinyLm.Parallel;

/// <summary>Which part of each batch this rank learns from.</summary>
/// <param name="Rank">This data-parallel rank.</param>
/// <param name="Size">Number of data-parallel ranks.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct BatchShare(int Rank, int Size)
{
    /// <summary>The whole batch.</summary>
    public static BatchShare Whole { get; } = new(0, 1);

    /// <summary>
    /// Dropout that drops, from each line of a batch, what it would drop on one rank: the mask of the whole batch is drawn, and this
    /// rank's lines are taken. So the random state is the same on all ranks, and the number of ranks changes nothing.
    /// </summary>
    /// <param name="input">Of shape [lines of this rank, …].</param>
    /// <param name="probability">Share that is dropped.</param>
    /// <param name="training">Whether anything is dropped at all.</param>
    public Tensor Dropout(Tensor input, double probability, bool training)
    {
        if (Size == 1 || !training)
        {
            return nn.functional.dropout(input, probability, training);
        }
        var lines = input.shape[0];
        using var frozen = no_grad();
        var whole = empty([lines * Size, .. input.shape[1..]], input.dtype).bernoulli_(1 - probability).div_(1 - probability);
        var mask = whole.narrow(0, Rank * lines, lines);
        using var learning = enable_grad();
        return input * mask;
    }
}
