using System.Runtime.InteropServices;
using Cairn.Policies;

namespace Cairn.Advice;

/// <summary>A copy that will stand in the run's folder.</summary>
/// <param name="Step">Its step.</param>
/// <param name="Kind">Its tier.</param>
/// <param name="Reason">Why it is saved.</param>
public sealed record PlannedCopy(long Step, SaveKind Kind, SaveReason Reason);

/// <summary>Bytes on the disk after a save.</summary>
/// <param name="Step">The step.</param>
/// <param name="Bytes">All copies, and the staged files of the snapshot replaced last.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SpacePoint(long Step, long Bytes);

/// <summary>What a run would do under some options, without failures and skipped batches.</summary>
public sealed record Forecast
{
    /// <summary>Time of the run with its stalls.</summary>
    public required TimeSpan Duration { get; init; }
    /// <summary>Checkpoints saved.</summary>
    public required long Checkpoints { get; init; }
    /// <summary>Snapshots saved.</summary>
    public required long Snapshots { get; init; }
    /// <summary>Snapshots that were due while an earlier save was still being written.</summary>
    public required long Dropped { get; init; }
    /// <summary>Training time that was waited for saves.</summary>
    public required TimeSpan Stall { get; init; }
    /// <summary>Of that, waiting of a checkpoint on the way for the save before it.</summary>
    public required TimeSpan Queued { get; init; }
    /// <summary>Bytes written by all saves.</summary>
    public required Int128 BytesWritten { get; init; }
    /// <summary>The most bytes that stand on the disk at once, a copy being written included.</summary>
    public required long PeakBytes { get; init; }
    /// <summary>The first save that does not fit into the space, if any.</summary>
    public required PlannedCopy? FirstWithoutSpace { get; init; }
    /// <summary>Bytes on the disk over the run; thinned out to at most a few hundred points.</summary>
    public required IReadOnlyList<SpacePoint> Space { get; init; }
    /// <summary>What stands in the folder at the end, the highest step first.</summary>
    public required IReadOnlyList<PlannedCopy> AtEnd { get; init; }
    /// <summary>Work lost by a failure at a random moment, on average: since the newest durable copy.</summary>
    public required TimeSpan MeanLoss { get; init; }
    /// <summary>Work lost by a failure at the worst moment.</summary>
    public required TimeSpan WorstLoss { get; init; }
    /// <summary>The longest time between two saves of either kind.</summary>
    public required TimeSpan LongestGap { get; init; }

    /// <summary>Share of the time for which training waits for saves.</summary>
    public double Overhead => Stall / Duration;
}
