namespace Cairn.Advice;

/// <summary>What is known about a run before it starts.</summary>
public sealed record PlanRequest
{
    private const double MostDays = 365_000;

    /// <summary>Number of steps to train; at least 1.</summary>
    public required long TotalSteps { get; init; }
    /// <summary>Time of one step without any save.</summary>
    public required TimeSpan StepTime { get; init; }
    /// <summary>Bytes of one copy of the state.</summary>
    public required long StateBytes { get; init; }
    /// <summary>Of these, the bytes that a checkpoint keeps which has lost its optimizer (<see cref="CheckpointOptions.KeepOptimizer"/>). Default <see langword="null"/>: all.</summary>
    public long? WeightsBytes { get; init; }
    /// <summary>Of the state, the bytes that training does not change, as the base of a fine-tune (<c>requires_grad = false</c>): they are written once, and shared by all copies (<see cref="CheckpointOptions.ShareUnchanged"/>). Default 0.</summary>
    public long FrozenBytes { get; init; }
    /// <summary>Bytes per second at which a copy becomes durable.</summary>
    public required double WriteRate { get; init; }
    /// <summary>Bytes per second at which live state is copied into staging memory. Default 5 GB/s.</summary>
    public double CopyRate { get; init; } = 5e9;
    /// <summary>Mean time between failures of the whole job. Default one day.</summary>
    public TimeSpan MeanTimeBetweenFailures { get; init; } = TimeSpan.FromDays(1);
    /// <summary>Time from a failure until training goes on. Default <see langword="null"/>: one minute, and the time to read one copy at <see cref="WriteRate"/>.</summary>
    public TimeSpan? RestartTime { get; init; }
    /// <summary>Bytes that the run may take on the disk. Default <see langword="null"/>: no limit.</summary>
    public long? SpaceLimit { get; init; }
    /// <summary>Share of the time for which training may wait because of saves. Default 0.01.</summary>
    public double OverheadBudget { get; init; } = 0.01;
    /// <summary>Whether training goes on while a save is written. Default <see langword="true"/>.</summary>
    public bool Asynchronous { get; init; } = true;

    /// <summary>The size of a copy.</summary>
    internal Policies.CopySize CopySize => new(StateBytes, FrozenBytes > 0 ? [new Policies.SharedBytes(UInt128.MaxValue, FrozenBytes)] : []);

    /// <summary>Time until one copy is durable, from its first byte; of the first one, that with the frozen bytes, longer.</summary>
    public TimeSpan WriteTime => TimeFor(StateBytes - FrozenBytes, WriteRate);

    /// <summary>Time for which training waits at a save: for the copy in memory, or for the whole save.</summary>
    public TimeSpan Stall => Asynchronous ? TimeFor(StateBytes, CopyRate) : WriteTime;

    /// <summary>Time from the moment of a save until its copy is durable.</summary>
    public TimeSpan DurableAfter => Asynchronous ? Stall + WriteTime : WriteTime;

    /// <summary>Time from a failure until training goes on.</summary>
    public TimeSpan Restart => RestartTime ?? TimeSpan.FromMinutes(1) + TimeFor(StateBytes, WriteRate);

    /// <summary>What cannot be, one sentence each; empty when all is in order.</summary>
    public IReadOnlyList<string> Problems()
    {
        List<string> problems = [];
        Require(TotalSteps >= 1, $"The run must have at least 1 step, not {TotalSteps}.");
        Require(StepTime > TimeSpan.Zero, $"A step must take longer than zero, not {StepTime}.");
        Require(StepTime.TotalDays * TotalSteps < MostDays, $"{TotalSteps} steps of {StepTime} each would take more than a thousand years.");
        Require(StateBytes >= 1, $"The state must have at least 1 byte, not {StateBytes}.");
        Require(WeightsBytes is null || (WeightsBytes >= 0 && WeightsBytes <= StateBytes), $"The weights must have between 0 and {StateBytes} bytes, the size of the state, not {WeightsBytes}.");
        Require(FrozenBytes >= 0 && FrozenBytes <= StateBytes, $"What is frozen must have between 0 and {StateBytes} bytes, the size of the state, not {FrozenBytes}.");
        Require(WriteRate > 0 && CopyRate > 0, "The rates of writing and copying must be above zero.");
        Require(MeanTimeBetweenFailures > TimeSpan.Zero, $"The mean time between failures must be longer than zero, not {MeanTimeBetweenFailures}.");
        Require(RestartTime is null || RestartTime >= TimeSpan.Zero, $"A restart cannot take {RestartTime}.");
        Require(SpaceLimit is null or >= 1, $"The space must be at least 1 byte, not {SpaceLimit}.");
        Require(OverheadBudget is > 0 and < 1, $"The overhead budget is a share between 0 and 1, not {OverheadBudget}.");
        return problems;

        void Require(bool holds, string problem)
        {
            if (!holds)
                problems.Add(problem);
        }
    }

    // Never zero: no copy is free, and the optimum is not defined for none.
    private static TimeSpan TimeFor(long bytes, double rate) => TimeSpan.FromSeconds(Math.Clamp(bytes / rate, 1e-7, MostDays * 86400));
}
