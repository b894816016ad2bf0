using System.Runtime.InteropServices;

namespace Cairn.Policies;

/// <summary>Where a run stands when a policy is asked, once after each batch.</summary>
/// <param name="Step">Successful optimizer updates so far.</param>
/// <param name="PreviousStep">The step when the policy was last asked, or at which the run started or resumed. Equal to <paramref name="Step"/> after a skipped batch.</param>
/// <param name="Now">The present time, which must not jump when the system's clock is set. It must be one rank's clock on all ranks, or they decide differently.</param>
/// <param name="LastSaved">When the tier of this policy was last saved; the start of the process when it was not yet.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SavePoint(long Step, long PreviousStep, DateTimeOffset Now, DateTimeOffset LastSaved)
{
    /// <summary>Whether nothing is being saved, and a snapshot would neither exceed the time for which training may wait nor be in the way of a checkpoint. Told only where snapshots have no interval.</summary>
    internal bool MayBegin { get; init; }
}

/// <summary>Decides when a tier is due. Pure: the same point gives the same answer.</summary>
public interface ISavePolicy
{
    /// <summary>Whether a save is due at this point.</summary>
    bool IsDue(in SavePoint point);

    /// <summary>The rule in words, for example <c>every 1000 steps</c>.</summary>
    string Describe { get; }
}

/// <summary>The save policies.</summary>
public static class SavePolicy
{
    /// <summary>Never due.</summary>
    public static ISavePolicy Never { get; } = new NeverPolicy();

    /// <summary>Due when a multiple of <paramref name="steps"/> was reached or passed since the last question, so that a jump over one is not missed and a standstill does not repeat it.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="steps"/> is below 1.</exception>
    public static ISavePolicy EverySteps(long steps)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        return new StepPolicy(steps);
    }

    /// <summary>Due when this much time has gone by since the tier was last saved.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="interval"/> is not positive.</exception>
    public static ISavePolicy Every(TimeSpan interval)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(interval, TimeSpan.Zero);
        return new TimePolicy(interval);
    }

    /// <summary>Due at each step at which a snapshot may begin (<see cref="SavePoint.MayBegin"/>).</summary>
    /// <param name="budget">The share of the time for which training may wait, between 0 and 1; for <see cref="ISavePolicy.Describe"/> alone.</param>
    internal static ISavePolicy Continuous(double budget) => new ContinuousPolicy(budget);

    /// <summary>Due when any of these is; never due when there is none.</summary>
    public static ISavePolicy Any(params IReadOnlyList<ISavePolicy> policies)
    {
        ArgumentNullException.ThrowIfNull(policies);
        return policies.Count switch { 0 => Never, 1 => policies[0], _ => new AnyPolicy([.. policies]) };
    }

    private sealed class NeverPolicy : ISavePolicy
    {
        public string Describe => "never";
        public bool IsDue(in SavePoint point) => false;
    }

    private sealed class StepPolicy(long steps) : ISavePolicy
    {
        public string Describe => steps == 1 ? "every step" : $"every {steps} steps";
        public bool IsDue(in SavePoint point) => point.Step > 0 && point.Step / steps > Math.Max(0, point.PreviousStep) / steps;
    }

    private sealed class TimePolicy(TimeSpan interval) : ISavePolicy
    {
        public string Describe => $"every {interval:c}";
        public bool IsDue(in SavePoint point) => point.Step > 0 && point.Now - point.LastSaved >= interval;
    }

    private sealed class ContinuousPolicy(double budget) : ISavePolicy
    {
        public string Describe => $"when the last save is complete, while saves take at most {Quantities.Percent(budget)} of the time";
        public bool IsDue(in SavePoint point) => point.MayBegin && point.Step > point.PreviousStep;
    }

    private sealed class AnyPolicy(ISavePolicy[] policies) : ISavePolicy
    {
        public string Describe => string.Join(" or ", policies.Select(policy => policy.Describe));

        public bool IsDue(in SavePoint point)
        {
            foreach (ISavePolicy policy in policies)
            {
                if (policy.IsDue(point))
                    return true;
            }
            return false;
        }
    }
}
