using System.Runtime.InteropServices;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>A group of parameters as a learning-rate scheduler sees it.</summary>
/// <param name="Rate">The rate that the next step uses.</param>
/// <param name="Peak">The rate that the schedule was made for.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ScheduledGroup(double Rate, double Peak);

/// <summary>
/// What InternEvo's learning-rate schedulers load: <c>FineTuneCosineAnnealingWarmupLR</c> and its bases <c>CosineAnnealingWarmupLR</c> and
/// <c>WarmupScheduler</c>, a linear warm-up that hands over to PyTorch's <c>CosineAnnealingLR</c> (<c>internlm/solver/schedulers/lr_scheduler.py</c>).
/// Keys that are left out keep the values of InternEvo's own configuration.
/// </summary>
internal static class InternLmScheduler
{
    private const string AfterType = "after_scheduler_type";

    /// <summary>Whether a state is one of InternEvo's.</summary>
    public static bool IsOne(StateMap scheduler) => scheduler.ContainsKey(AfterType);

    /// <summary>The state of InternEvo's scheduler after so many steps.</summary>
    /// <param name="step">Steps taken.</param>
    /// <param name="groups">The optimizer's groups as InternEvo has them; at least one.</param>
    /// <param name="schedule">The schedule, as far as it is known.</param>
    public static TorchMap After(long step, IReadOnlyList<ScheduledGroup> groups, WarmUpSchedule? schedule)
    {
        // Without a known warm-up InternEvo's own configuration decides whether it is over. Where it is, the cosine counts on from all steps.
        bool finished = schedule is { } known && step >= known.WarmUpEnd;
        long counted = finished ? schedule!.Value.WarmUpEnd : step, after = finished ? step - counted : schedule is null ? step + 1 : 0;
        TorchMap state = new(), cosine = new();
        if (schedule is { } own)
        {
            state["_init_steps"] = own.InitSteps;
            state["_warmup_steps"] = own.WarmUpSteps;
            state["warmup_epochs"] = own.WarmUpEnd;
        }
        state["finished"] = finished;
        AddProgress(state, groups, counted, isAtPeak: false);
        if (schedule?.CosineSteps is { } steps)
        {
            cosine["T_max"] = steps;
            cosine["eta_min"] = schedule.Value.Floor;
        }
        // Until the warm-up hands over, the cosine stands where it was made.
        AddProgress(cosine, groups, after, isAtPeak: after == 0);
        state[AfterType] = "CosineAnnealingLR";
        state["after_scheduler_dict"] = cosine;
        return state;
    }

    private static void AddProgress(TorchMap state, IReadOnlyList<ScheduledGroup> groups, long epoch, bool isAtPeak)
    {
        state["base_lrs"] = Numbers(groups.Select(group => group.Peak));
        state["last_epoch"] = epoch;
        state["verbose"] = false;
        // PyTorch counts the call that sets the first rate.
        state["_step_count"] = epoch + 1;
        state["_get_lr_called_within_step"] = false;
        state["_last_lr"] = Numbers(groups.Select(group => isAtPeak ? group.Peak : group.Rate));
    }

    private static TorchList Numbers(IEnumerable<double> numbers) => new(TorchListKind.List, numbers.Select(number => (TorchValue)number));
}
