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
    /// <param name="sampler">What draws the samples, if any: a <see cref="ResumableSampler"/> or a <see cref="ResumableDataLoader{TSample, TBatch}"/>.</param>
    /// <param name="scaler">The loss scaler, if any.</param>
    /// <exception cref="CheckpointException">The optimizer's state cannot be saved.</exception>
    public static IReadOnlyList<IStatePart> Parts(torch.nn.Module model, torch.optim.Optimizer optimizer,
        LRScheduler? scheduler = null, IStatePart? sampler = null, DynamicLossScaler? scaler = null)
    {
        List<IStatePart> parts = [new ModulePart(model), new OptimizerPart(optimizer, model)];
        if (scheduler is not null)
            parts.Add(new SchedulerPart(scheduler));
        return WithOthers(parts, sampler, scaler);
    }

    /// <summary>
    /// Several models with their optimizers and schedulers, as a GAN has them, each by its name. A model <c>generator</c> is the part <c>generator</c>; an optimizer or scheduler of that name is the part <c>generator_optimizer</c>
    /// or <c>generator_scheduler</c>.
    /// </summary>
    /// <param name="models">The modules: of lower-case letters, digits and <c>_</c> each name.</param>
    /// <param name="optimizers">The optimizers; not LBFGS. One with the name of a model has parameters of that model, all or some. Of one with another name the parameters may be of several models.</param>
    /// <param name="schedulers">The learning-rate schedulers, if any.</param>
    /// <param name="sampler">What draws the samples, if any: a <see cref="ResumableSampler"/> or a <see cref="ResumableDataLoader{TSample, TBatch}"/>.</param>
    /// <param name="scaler">The loss scaler, if any.</param>
    /// <exception cref="CheckpointException">The state of an optimizer cannot be saved.</exception>
    public static IReadOnlyList<IStatePart> Parts(IReadOnlyList<(string Name, torch.nn.Module Model)> models, IReadOnlyList<(string Name, torch.optim.Optimizer Optimizer)> optimizers,
        IReadOnlyList<(string Name, LRScheduler Scheduler)>? schedulers = null, IStatePart? sampler = null, DynamicLossScaler? scaler = null)
    {
        ArgumentNullException.ThrowIfNull(models);
        ArgumentNullException.ThrowIfNull(optimizers);
        List<IStatePart> parts = [.. models.Select(entry => new ModulePart(entry.Model, entry.Name))];
        foreach ((string name, torch.optim.Optimizer optimizer) in optimizers)
        {
            torch.nn.Module? own = models.FirstOrDefault(entry => entry.Name == name).Model;
            parts.Add(own is null ? new OptimizerPart(optimizer, models, $"{name}_optimizer") : new OptimizerPart(optimizer, own, $"{name}_optimizer"));
        }
        foreach ((string name, LRScheduler scheduler) in schedulers ?? [])
            parts.Add(new SchedulerPart(scheduler, $"{name}_scheduler"));
        return WithOthers(parts, sampler, scaler);
    }

    private static List<IStatePart> WithOthers(List<IStatePart> parts, IStatePart? sampler, DynamicLossScaler? scaler)
    {
        if (sampler is not null)
            parts.Add(sampler);
        if (scaler is not null)
            parts.Add(scaler);
        parts.Add(new RandomPart());
        return parts;
    }
}
