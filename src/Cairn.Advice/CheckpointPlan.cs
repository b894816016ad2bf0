using Cairn.Advice.Audit;
using Cairn.Policies;

namespace Cairn.Advice;

/// <summary>What some options would do to a run, and what to think of it.</summary>
public sealed class CheckpointPlan
{
    private static readonly TimeSpan RarestSave = TimeSpan.FromMinutes(30);
    private const int MostCheckpoints = 10_000;

    private readonly List<PlanWarning> _warnings = [];

    private CheckpointPlan(PlanRequest request, CheckpointOptions options)
    {
        (Request, Options, Forecast, Continuous) = (request, options, Forecaster.Run(request, options), ContinuousInterval.Of(request, options));
        long saves = Forecast.Checkpoints + Forecast.Snapshots;
        TimeSpan trained = request.StepTime * request.TotalSteps;
        Failures = Forecast.Duration / request.MeanTimeBetweenFailures;
        double expected = trained.TotalSeconds * OptimalInterval.Slowdown(trained / Math.Max(1, saves), saves == 0 ? TimeSpan.Zero : Forecast.Stall / saves, request.MeanTimeBetweenFailures, request.Restart);
        ExpectedDuration = expected < TimeSpan.MaxValue.TotalSeconds / 2 ? TimeSpan.FromSeconds(expected) : TimeSpan.MaxValue;
        double lost = Failures * Forecast.MeanLoss.TotalSeconds;
        ExpectedLoss = lost < TimeSpan.MaxValue.TotalSeconds / 2 ? TimeSpan.FromSeconds(lost) : TimeSpan.MaxValue;
        FindTraps();
    }

    /// <summary>What is known about the run.</summary>
    public PlanRequest Request { get; }
    /// <summary>The options.</summary>
    public CheckpointOptions Options { get; }
    /// <summary>What they do.</summary>
    public Forecast Forecast { get; }
    /// <summary>The interval that results where snapshots have none; else <see langword="null"/>.</summary>
    internal ContinuousInterval? Continuous { get; }
    /// <summary>Failures to expect over the run.</summary>
    public double Failures { get; }
    /// <summary>Work lost by these failures together.</summary>
    public TimeSpan ExpectedLoss { get; }
    /// <summary>Time from start to end with saves, failures and repeated work, by <see cref="OptimalInterval.Slowdown"/>; <see cref="TimeSpan.MaxValue"/> when it does not end.</summary>
    public TimeSpan ExpectedDuration { get; }
    /// <summary>The traps, the harmful ones first.</summary>
    public IReadOnlyList<PlanWarning> Warnings => [.. _warnings.OrderByDescending(warning => warning.IsHarmful)];

    /// <summary>Judges options for a run. <see cref="CheckpointOptions.TotalSteps"/> is not looked at; the request's counts.</summary>
    /// <exception cref="ArgumentException">The request or the options are out of range.</exception>
    public static CheckpointPlan Of(PlanRequest request, CheckpointOptions options)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(options);
        if (request.Problems() is [var problem, ..])
            throw new ArgumentException(problem, nameof(request));
        return new CheckpointPlan(request, options);
    }

    private void FindTraps()
    {
        if (!Options.Enabled)
        {
            Add(PlanTrap.NothingSaved, true, "Saving is switched off (Enabled, enable_save_ckpt): nothing is saved, not even the end. Switch it on.");
            return;
        }
        FindIntervalTraps();
        FindDiskTraps();
        FindLossTraps();
        foreach (string warning in Options.Warnings())
        {
            // What was said above with numbers is not said again.
            if (!warning.Contains("longer than the run", StringComparison.Ordinal))
                Add(PlanTrap.Options, true, warning);
        }
    }

    private void FindIntervalTraps()
    {
        long total = Request.TotalSteps;
        if (Options.CheckpointEvery > total)
            Add(PlanTrap.IntervalLongerThanRun, true, $"CheckpointEvery ({Options.CheckpointEvery}) is longer than the run ({RunAudit.Count(total, "step", "steps")}): no checkpoint is due before the end. Only the end is saved. Use at most {Math.Max(1, total / 2)}.");
        if (Options.SnapshotSteps > total)
            Add(PlanTrap.IntervalLongerThanRun, true, $"SnapshotEvery ({Options.SnapshotSteps}) is longer than the run ({RunAudit.Count(total, "step", "steps")}): there is no snapshot. Use at most {Math.Max(1, total / 2)}.");
        if (Options.CheckpointEvery is { } every && every <= total && total % every != 0)
            Add(PlanTrap.FinalStepOffGrid, false, $"The last step, {total}, is no multiple of {every}. It is saved anyway, as the final checkpoint; so is the last step that is really reached when batches are skipped.");
        if (Options.CheckpointEvery is null && Options.CheckpointInterval is null)
            Add(PlanTrap.NothingSaved, true, "No checkpoint is due before the end, by steps or by time: only the end is kept permanently. Set CheckpointEvery.");
        if (Forecast.Checkpoints > MostCheckpoints && Options.KeepsAll)
            Add(PlanTrap.TooMany, true, $"{RunAudit.Count(Forecast.Checkpoints, "checkpoint", "checkpoints")} will be kept. Save more rarely, or set KeepLast or KeepEvery.");
    }

    private void FindDiskTraps()
    {
        string write = Quantities.Time(Request.WriteTime);
        if (Forecast.Dropped > 0)
            Add(PlanTrap.FasterThanDisk, true, $"Snapshots are due more often than the disk can take: writing one takes {write}, and {Forecast.Dropped} of {Forecast.Dropped + Forecast.Snapshots} are dropped. At least {StepsFor(Request.WriteTime * 2)} steps between snapshots would work.");
        if (Forecast.Queued > TimeSpan.Zero)
            Add(PlanTrap.FasterThanDisk, true, $"Checkpoints are due while the save before is still being written ({write} each): training waits {Quantities.Time(Forecast.Queued)} for that.");
        if (Forecast.FirstWithoutSpace is { } copy)
            Add(PlanTrap.SpaceRunsOut, true, $"Space runs out at step {copy.Step}: the {copy.Kind.ToString().ToLowerInvariant()} does not fit into {Quantities.Bytes(Request.SpaceLimit!.Value)} beside what is there. {RunForecast.SpaceAdvice(Request.SpaceLimit.Value, Request.CopySize)}");
        if (Continuous is not null)
            FindContinuousTraps();
        else if (Forecast.Overhead > Request.OverheadBudget)
            Add(PlanTrap.OverBudget, true, $"Saves take {Quantities.Percent(Forecast.Overhead)} of the time, more than the budget of {Quantities.Percent(Request.OverheadBudget)}: save less often{(Request.Asynchronous ? "" : ", or in the background (Asynchronous)")}.");
    }

    // What the end waits for is not the snapshots' to save.
    private void FindContinuousTraps()
    {
        double budget = Options.SnapshotStallBudget, checkpoints = Request.Stall * Math.Max(0, Forecast.Checkpoints - 1) / Forecast.Duration;
        if (checkpoints > budget)
            Add(PlanTrap.OverBudget, true, $"Checkpoints alone take {Quantities.Percent(checkpoints)} of the time, more than SnapshotStallBudget allows for all saves ({Quantities.Percent(budget)}): hardly any snapshot begins between them. Save checkpoints less often{(Request.Asynchronous ? "" : ", or in the background (Asynchronous)")}, or allow more.");
        else if (budget > Request.OverheadBudget && Forecast.Overhead > Request.OverheadBudget)
            Add(PlanTrap.OverBudget, true, $"Saves take {Quantities.Percent(Forecast.Overhead)} of the time, more than the budget of {Quantities.Percent(Request.OverheadBudget)}: SnapshotStallBudget allows {Quantities.Percent(budget)}.");
    }

    private void FindLossTraps()
    {
        if (Continuous is { } continuous)
        {
            // The first one was not earned before it began, which makes the gap after it longer than all others.
            if (continuous.Interval > RarestSave && Forecast.LongestGap > RarestSave && Request.WriteTime * 2 < RarestSave)
                Add(PlanTrap.SnapshotsTooRare, true, $"About {Quantities.Time(continuous.Interval)} pass from one snapshot to the next, and that much work is lost by a failure: training waits {Quantities.Time(Request.Stall)} for each, and SnapshotStallBudget allows {Quantities.Percent(Options.SnapshotStallBudget)} of the time. Every half hour would take {Quantities.Percent(HalfHourShare)}{(Request.Asynchronous ? "" : ", and much less in the background (Asynchronous)")}.");
        }
        else if (Forecast.LongestGap > RarestSave && Request.WriteTime * 2 < RarestSave)
            Add(PlanTrap.SnapshotsTooRare, true, $"Up to {Quantities.Time(Forecast.LongestGap)} pass without a save, and that much work is lost by a failure. Take snapshots at least every half hour: SnapshotEvery of at most {StepsIn(RarestSave)}.{HalfHourCost()}");
        if (Forecast.WorstLoss > Request.MeanTimeBetweenFailures)
            Add(PlanTrap.NoProgress, true, $"A failure is expected every {Quantities.Time(Request.MeanTimeBetweenFailures)}, sooner than a save is sure to be durable ({Quantities.Time(Forecast.WorstLoss)}): the run may never end. Save more often or to a faster disk.");
    }

    private string HalfHourCost()
    {
        return HalfHourShare <= Request.OverheadBudget ? "" : $" That takes {Quantities.Percent(HalfHourShare)} of the time, more than the budget of {Quantities.Percent(Request.OverheadBudget)}: choose which matters more.";
    }

    private double HalfHourShare => Request.Stall / (RarestSave + Request.Stall);

    private long StepsFor(TimeSpan time) => Math.Max(1, (long)Math.Ceiling(time / Request.StepTime));

    private long StepsIn(TimeSpan time) => Math.Max(1, (long)(time / Request.StepTime));

    private void Add(PlanTrap trap, bool harmful, string message) => _warnings.Add(new PlanWarning(trap, harmful, message));
}
