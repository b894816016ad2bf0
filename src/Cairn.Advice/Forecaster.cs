using Cairn.Policies;

namespace Cairn.Advice;

/// <summary>Plays a run through, with the schedule and the retention that the real one would have.</summary>
internal static class Forecaster
{
    private const int MostSpacePoints = 240;

    /// <summary>What a run would do under these options.</summary>
    /// <exception cref="ArgumentException">The request or the options are out of range.</exception>
    public static Forecast Run(PlanRequest request, CheckpointOptions options)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(options);
        if (request.Problems() is [var problem, ..])
            throw new ArgumentException(problem, nameof(request));
        var standing = new StandingCopies(options.KeepsAll ? null : options.CreateRetention(), [], []) { KeepOptimizer = options.KeepOptimizer, WeightsBytes = request.WeightsBytes ?? request.StateBytes };
        var run = RunForecast.Of(options.Forecast(standing, request.TotalSteps, options.ShareUnchanged ? request.CopySize : request.StateBytes) with
        {
            StepSeconds = request.StepTime.TotalSeconds,
            StallSeconds = request.Stall.TotalSeconds,
            DurableSeconds = request.DurableAfter.TotalSeconds,
            SpaceLimit = request.SpaceLimit,
        });
        return Summary(run, standing, request);
    }

    private static Forecast Summary(RunForecast run, StandingCopies standing, PlanRequest request)
    {
        // A failure falls into a gap as often as the gap is long, and on average into its middle; until a copy is durable it does not count.
        double untilDurable = run.Checkpoints + run.Snapshots > 0 ? request.DurableAfter.TotalSeconds : 0;
        HashSet<(long, SaveKind)> atEnd = [.. standing.Checkpoints.Select(copy => (copy.Step, SaveKind.Checkpoint)), .. standing.SnapshotSteps.Select(step => (step, SaveKind.Snapshot))];
        return new Forecast
        {
            Duration = TimeSpan.FromSeconds(run.Seconds),
            Checkpoints = run.Checkpoints,
            Snapshots = run.Snapshots,
            Dropped = run.Dropped,
            Stall = TimeSpan.FromSeconds(run.Stall),
            Queued = TimeSpan.FromSeconds(run.Queued),
            BytesWritten = run.BytesWritten,
            PeakBytes = Bytes(run.PeakBytes),
            FirstWithoutSpace = run.FirstWithoutSpace is { } copy ? new PlannedCopy(copy.Step, copy.Kind, copy.Reason) : null,
            Space = Thinned([new(0, 0), .. run.Saves.Select(save => new SpacePoint(save.Copy.Step, Bytes(save.Bytes)))]),
            AtEnd = [.. run.Saves.Select(save => save.Copy).Where(copy => atEnd.Contains((copy.Step, copy.Kind))).Select(copy => new PlannedCopy(copy.Step, copy.Kind, copy.Reason)).OrderByDescending(copy => copy.Step).ThenBy(copy => copy.Kind)],
            MeanLoss = TimeSpan.FromSeconds(run.SquaredGaps / (2 * run.Seconds) + untilDurable),
            WorstLoss = TimeSpan.FromSeconds(run.LongestGap + untilDurable),
            LongestGap = TimeSpan.FromSeconds(run.LongestGap),
        };
    }

    private static long Bytes(Int128 bytes) => (long)Int128.Min(long.MaxValue, bytes);

    private static List<SpacePoint> Thinned(List<SpacePoint> points)
    {
        if (points.Count <= MostSpacePoints)
            return points;
        var kept = new List<SpacePoint>(MostSpacePoints);
        for (int i = 0; i < MostSpacePoints; i++)
            kept.Add(points[(int)((long)i * (points.Count - 1) / (MostSpacePoints - 1))]);
        return kept;
    }
}
