using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>A linear warm-up with a cosine behind it: what InternLM's configuration calls <c>lr_scheduler</c>.</summary>
/// <param name="InitSteps">Steps before the warm-up, at a rate of 0.</param>
/// <param name="WarmUpSteps">Steps of the warm-up.</param>
/// <param name="CosineSteps">Steps from the peak to the floor; <see langword="null"/> when that is not known.</param>
/// <param name="Floor">The lowest rate of the cosine.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct WarmUpSchedule(long InitSteps, long WarmUpSteps, long? CosineSteps, double Floor)
{
    private const string TotalSteps = "total_steps", Init = "init_steps", Steps = "warmup_steps", Ratio = "warmup_ratio", Minimum = "eta_min";

    /// <summary>The first step at the peak.</summary>
    public long WarmUpEnd => InitSteps + WarmUpSteps;

    /// <summary>Reads InternLM's configuration: <c>total_steps</c>, <c>init_steps</c>, <c>warmup_ratio</c> (or <c>warmup_steps</c>) and <c>eta_min</c>.</summary>
    /// <returns>The schedule, or <see langword="null"/> when the warm-up cannot be told from it.</returns>
    public static WarmUpSchedule? OfConfiguration(StateMap? values)
    {
        if (values is null)
            return null;
        long? total = Whole(values, TotalSteps), warmUp = Whole(values, Steps);
        // Python's int(): towards zero.
        if (warmUp is null && total is { } all && Number(values, Ratio) is { } ratio and >= 0 and <= 1)
            warmUp = (long)(all * ratio);
        if (warmUp is not { } steps || steps < 0)
            return null;
        long init = Math.Max(0, Whole(values, Init) ?? 0);
        return new WarmUpSchedule(init, steps, total - init - steps is > 0 and var cosine ? cosine : null, Number(values, Minimum) ?? 0);
    }

    /// <summary>Reads a state of InternEvo's scheduler.</summary>
    /// <returns>The configuration that <see cref="OfConfiguration"/> reads, or <see langword="null"/> when it is a state of another one.</returns>
    public static StateMap? ConfigurationOf(StateMap scheduler)
    {
        if (Whole(scheduler, "warmup_epochs") is not { } end || !scheduler.TryGetValue("after_scheduler_dict", out StateNode? node) || node is not StateMap cosine
            || Whole(cosine, "T_max") is not { } steps)
            return null;
        long init = Whole(scheduler, "_init_steps") ?? 0;
        return new StateMap { { TotalSteps, end + steps }, { Init, init }, { Steps, end - init }, { Minimum, Number(cosine, Minimum) ?? 0 } };
    }

    /// <summary>Reads a scheduler of TorchSharp: a cosine, alone or behind one warm-up.</summary>
    public static WarmUpSchedule? OfTorchSharp(StateMap scheduler)
    {
        switch (Text(scheduler, "type"))
        {
            case "CosineAnnealingLR" when Number(scheduler, "T_max") is >= 1 and < long.MaxValue and var steps:
                return new WarmUpSchedule(0, 0, (long)steps, Number(scheduler, Minimum) ?? 0);
            case "SequentialLR" when scheduler.TryGetValue("schedulers", out StateNode? inner) && inner is StateList { Count: 2 } list && list[1] is StateMap second
                && scheduler.TryGetValue("milestones", out StateNode? marks) && marks is StateList { Count: 1 } milestones && milestones[0] is StateScalar { Value: long end }:
                return OfTorchSharp(second) is { WarmUpEnd: 0 } cosine ? cosine with { WarmUpSteps = end } : null;
            default:
                return null;
        }
    }

    private static long? Whole(StateMap map, string key) => map.TryGetValue(key, out StateNode? node) && node is StateScalar { Value: long value } ? value : null;

    private static double? Number(StateMap map, string key) => !map.TryGetValue(key, out StateNode? node) ? null
        : (node as StateScalar)?.Value switch { double value => value, long value => value, _ => null };

    private static string? Text(StateMap map, string key) => map.TryGetValue(key, out StateNode? node) ? (node as StateScalar)?.Value as string : null;
}
