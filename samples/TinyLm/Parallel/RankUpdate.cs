using Cairn.State;
using Cairn.TorchSharp;
using TinyLm.Model;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TinyLm.Parallel;

/// <summary>
/// What an update needs of other ranks, in the order of its use: <see cref="Clear"/> before the backward pass, <see cref="Combine"/> and
/// <see cref="Agree"/> behind it, and <see cref="Share"/> after the optimizer's step. This one is for a rank that is alone.
/// </summary>
public class RankUpdate(InternLm2 model)
{
    /// <summary>What this rank's optimizer moves.</summary>
    public virtual IReadOnlyList<Parameter> Owned { get; } = [.. model.Trained];

    /// <summary>Optimizer state as a part of a checkpoint: that of one optimizer over the whole model, whatever each rank keeps of it.</summary>
    public virtual IStatePart StateOf(optim.Optimizer optimizer) => new OptimizerPart(optimizer, model);

    /// <summary>Forgets the gradients of the last batch.</summary>
    public virtual void Clear(optim.Optimizer optimizer) => optimizer.zero_grad();

    /// <summary>Makes the gradients those of the whole batch, as far as this rank owns them.</summary>
    public virtual void Combine()
    {
    }

    /// <summary>Whether any rank's gradients overflowed, and the loss of the whole batch.</summary>
    public virtual (bool Overflow, float Loss) Agree(bool overflow, float loss) => (overflow, loss);

    /// <summary>Brings the moved weights to the ranks that did not move them.</summary>
    public virtual void Share()
    {
    }
}
