using Cairn.Advice.Audit;

namespace Cairn.Advice;

/// <summary>Intervals for a run, and why these.</summary>
public sealed record Recommendation
{
    private static readonly TimeSpan RarestSnapshot = TimeSpan.FromMinutes(30);
    // The disk also has other work, and a save must be durable before the next one begins.
    private const double DiskShare = 0.5;

    /// <summary>The options that are recommended; <see cref="CheckpointOptions.Folder"/> is left empty.</summary>
    public required CheckpointOptions Options { get; init; }
    /// <summary>Young's optimum.</summary>
    public required TimeSpan Young { get; init; }
    /// <summary>Daly's optimum.</summary>
    public required TimeSpan Daly { get; init; }
    /// <summary>How the intervals came about, one sentence each.</summary>
    public required IReadOnlyList<string> Reasons { get; init; }

    /// <summary>
    /// Recommends. Snapshots serve recovery, so they come at Daly's optimum, not more often than the overhead budget and half of the disk's time
    /// allow, and not more rarely than every half hour. Checkpoints come every fifth time instead, which is InternLM's rule for the two
    /// (snapshots every N/5 steps). Both are rounded to numbers that people can remember.
    /// </summary>
    /// <exception cref="ArgumentException">The request is out of range.</exception>
    public static Recommendation For(PlanRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Problems() is [var problem, ..])
            throw new ArgumentException(problem, nameof(request));
        TimeSpan young = OptimalInterval.Young(request.Stall, request.MeanTimeBetweenFailures);
        TimeSpan daly = OptimalInterval.Daly(request.Stall, request.MeanTimeBetweenFailures);
        var reasons = new List<string>();
        long snapshot = SnapshotSteps(request, daly, reasons);
        CheckpointOptions options = new() { TotalSteps = request.TotalSteps, Asynchronous = request.Asynchronous };
        if (snapshot >= request.TotalSteps)
        {
            (options.CheckpointEvery, options.SnapshotEvery) = (request.TotalSteps, 0);
            reasons.Add("That is longer than the run: only its end is worth saving.");
        }
        else
        {
            long checkpoint = Math.Min(request.TotalSteps, snapshot * CheckpointOptions.SnapshotsPerCheckpoint);
            (options.CheckpointEvery, options.SnapshotEvery) = (checkpoint, snapshot);
            reasons.Add(checkpoint == snapshot * CheckpointOptions.SnapshotsPerCheckpoint
                ? $"Checkpoints every {RunAudit.Count(checkpoint, "step", "steps")}: at every fifth snapshot, InternLM's rule of N/5."
                : $"Checkpoints every {RunAudit.Count(checkpoint, "step", "steps")}: the run ends before a fifth snapshot.");
        }
        if (options.SnapshotEvery > 0 && ContinuousInterval.Of(request, options.SnapshotStallBudget) is { } continuous && continuous.Steps < request.TotalSteps)
            reasons.Add($"SnapshotEvery = auto would take {continuous.Reason} A failure would lose {Text(continuous.MeanLoss)} of work on average.");
        FitSpace(request, options, reasons);
        return new Recommendation { Options = options, Young = young, Daly = daly, Reasons = reasons };
    }

    private static long SnapshotSteps(PlanRequest request, TimeSpan daly, List<string> reasons)
    {
        TimeSpan byBudget = request.Stall * ((1 - request.OverheadBudget) / request.OverheadBudget);
        TimeSpan byDisk = request.WriteTime / DiskShare;
        TimeSpan least = byBudget > byDisk ? byBudget : byDisk;
        TimeSpan wanted = daly < RarestSnapshot ? daly : RarestSnapshot;
        bool bounded = least > wanted;
        long leastSteps = Math.Max(1, (long)Math.Ceiling(least / request.StepTime));
        long steps = bounded ? leastSteps : Math.Max(1, (long)(wanted / request.StepTime));
        long rounded = RoundNumber(steps, up: false);
        if (rounded < leastSteps)
            rounded = RoundNumber(leastSteps, up: true);
        reasons.Add(
            $"Snapshots every {Text(request.StepTime * rounded)} ({RunAudit.Count(rounded, "step", "steps")}): " +
            (bounded && byBudget >= byDisk ? $"more often would cost more than {Quantities.Percent(request.OverheadBudget)} of the time (a stall of {Text(request.Stall)} each)."
            : bounded ? $"writing one takes {Text(request.WriteTime)}, and the disk should be busy with it at most half of the time."
            : daly > RarestSnapshot ? $"the optimum of {Text(daly)} is less often than every half hour, and more work than that should not be at risk."
            : $"close to Daly's optimum of {Text(daly)} for a stall of {Text(request.Stall)} and a failure every {Text(request.MeanTimeBetweenFailures)}."));
        return rounded;
    }

    // Room beside the kept ones: the new checkpoint, two snapshots, and the staged files of a third.
    private static void FitSpace(PlanRequest request, CheckpointOptions options, List<string> reasons)
    {
        const int Beside = 4, FewestKept = 2;
        if (request.SpaceLimit is not { } limit || Forecaster.Run(request, options).PeakBytes <= limit)
            return;
        options.KeepLast = (int)Math.Clamp((limit - request.FrozenBytes) / Math.Max(1, request.CopySize.OwnBytes) - Beside, FewestKept, int.MaxValue);
        reasons.Add($"Of the checkpoints the last {options.KeepLast} are kept: not all fit into the space, beside two snapshots and what is being written.");
    }

    // 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6 or 8 times a power of ten: never more than a quarter away.
    private static long RoundNumber(long value, bool up)
    {
        ReadOnlySpan<long> tenths = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];
        long best = 1;
        for (long power = 1; power < long.MaxValue / 1000; power *= 10)
        {
            foreach (long tenth in tenths)
            {
                long number = tenth * power / 10;
                if (number * 10 != tenth * power)
                    continue;
                if (number > value)
                    return up && best < value ? number : best;
                best = number;
            }
        }
        return best;
    }

    private static string Text(TimeSpan time) => Quantities.Time(time);
}
