using static TorchSharp.torch;
using static TorchSharp.torch.optim.lr_scheduler;

namespace TinyLm;

/// <summary>Linear warm-up, then a cosine down to a tenth of the peak.</summary>
public static class LearningRate
{
    /// <summary>The share of the peak rate that the cosine ends at.</summary>
    public const double Floor = 0.1;

    /// <summary>A scheduler over the optimizer's own rates as peaks. Its state is the number of steps it has taken.</summary>
    public static LRScheduler Cosine(optim.Optimizer optimizer, int warmUpSteps, int totalSteps) =>
        LambdaLR(optimizer, step => Factor(step, warmUpSteps, totalSteps));

    /// <summary>The share of the peak rate at <paramref name="step"/>, counted from 0.</summary>
    public static double Factor(int step, int warmUpSteps, int totalSteps)
    {
        if (step < warmUpSteps)
        {
            return (step + 1.0) / warmUpSteps;
        }
        var progress = Math.Min(1, (step - warmUpSteps) / Math.Max(1.0, totalSteps - warmUpSteps));
        return Floor + (1 - Floor) * 0.5 * (1 + Math.Cos(Math.PI * progress));
    }
}
