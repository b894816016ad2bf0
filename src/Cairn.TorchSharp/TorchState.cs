using Cairn.State;
using TorchSharp;
using LRScheduler = TorchSharp.torch.optim.lr_scheduler.LRScheduler;

namespace Cairn.TorchSharp;

/// <summary>The parts that a TorchSharp training run needs to continue exactly.</summary>
public static class TorchState
{
    /// <summary>
    /// Model, optimizer, random state, and what else is given, in the order of restoring. Add a <see cref="GradientPart"/> when
    /// checkpoints are taken while gradients are accumulated.
    /// </summary>
    /// <param name="model">The module that is trained.</param>
    /// <param name="optimizer">Its optimizer; not LBFGS.</param>
    /// <param name="scheduler">The learning-rate scheduler, if any.</param>
    /// <param name="sampler">The sampler, if any.</param>
    /// <param name="scaler">The loss scaler, if any.</param>
    /// <exception cref="CheckpointException">The optimizer's state cannot be saved.</exception>
    public static IReadOnlyList<IStatePart> Parts(torch.nn.Module model, torch.optim.Optimizer optimizer,
        LRScheduler? scheduler = null, ResumableSampler? sampler = null, DynamicLossScaler? scaler = null)
    {
        List<IStatePart> parts = [new ModulePart(model), new OptimizerPart(optimizer, model)];
        if (scheduler is not null)
            parts.Add(new SchedulerPart(scheduler));
        if (sampler is not null)
            parts.Add(sampler);
        if (scaler is not null)
            parts.Add(scaler);
        parts.Add(new RandomPart());
        return parts;
    }
}
