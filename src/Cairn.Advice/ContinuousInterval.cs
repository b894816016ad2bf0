using Cairn.Advice.Audit;

namespace Cairn.Advice;

/// <summary>
/// The interval that results where snapshots have none (<see cref="CheckpointOptions.SnapshotEvery"/> is <see cref="CheckpointOptions.Auto"/>): the longest of the time until a copy is durable, the time that earns the stall, and a step.
/// </summary>
internal sealed record ContinuousInterval
{
    private ContinuousInterval(PlanRequest request, double budget)
    {
        TimeSpan training = request.Stall * ((1 - budget) / budget);
        // What was saved at a step is durable after the stall and the writing; training goes on only during the latter.
        TimeSpan written = request.Asynchronous ? request.WriteTime : TimeSpan.Zero;
        bool byStall = training > written;
        Steps = Math.Max(1, (long)Math.Ceiling((byStall ? training : written) / request.StepTime));
        Interval = request.StepTime * Steps + request.Stall;
        MeanLoss = Interval / 2 + request.DurableAfter;
        string longest = byStall ? $"training waits {Quantities.Time(request.Stall)} for each, which is {Quantities.Percent(budget)} of that time (SnapshotStallBudget)"
            : $"the store has a copy after {Quantities.Time(request.DurableAfter)}, and the next begins at the end of that step";
        Reason = $"a snapshot every {Quantities.Time(Interval)} ({RunAudit.Count(Steps, "step", "steps")}): {longest}.";
    }

    /// <summary>The time from one snapshot to the next.</summary>
    public TimeSpan Interval { get; }

    /// <summary>The steps in it.</summary>
    public long Steps { get; }

    /// <summary>The work that a failure at a random moment loses on average, checkpoints not counted.</summary>
    public TimeSpan MeanLoss { get; }

    /// <summary>How often, and why: a sentence that begins in lower case.</summary>
    public string Reason { get; }

    /// <summary>What would result.</summary>
    /// <param name="request">The run.</param>
    /// <param name="budget">The share of the time for which training may wait.</param>
    public static ContinuousInterval Of(PlanRequest request, double budget) => new(request, budget);

    /// <summary>What results from options; <see langword="null"/> where snapshots have an interval, or there are none.</summary>
    public static ContinuousInterval? Of(PlanRequest request, CheckpointOptions options) =>
        options is { Enabled: true, SnapshotsAreContinuous: true } ? new(request, options.SnapshotStallBudget) : null;
}
