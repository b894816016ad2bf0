using Cairn.Checkpoints;

namespace Cairn.Opening;

/// <summary>Where a copy stands towards the line that is being trained.</summary>
internal enum CopyStanding
{
    /// <summary>It belongs to the line.</summary>
    OfLine,
    /// <summary>This run saved it, on a line that was left.</summary>
    LeftBehind,
    /// <summary>Another run saved it.</summary>
    OfOtherRun,
    /// <summary>There is no marker that could be understood.</summary>
    Unmarked,
}

/// <summary>
/// Which of the copies in a run's folder belong to the line that is being trained. The one answer for resuming, for the slots of the snapshots, for making
/// room, for retention and for <c>cairn prune</c>. Copies that another program wrote belong to the run in whose folder they stand.
/// </summary>
/// <param name="run">The run's id.</param>
/// <param name="lineage">Its history, which ends at the present line.</param>
internal sealed class LineView(string run, Lineage lineage)
{
    /// <summary>The line that a run is on.</summary>
    public static LineView Of(RunRecord run) => new(run.Id, run.Lineage);

    /// <summary>The line that a copy was written on.</summary>
    public static LineView Of(Marker marker) => new(marker.Run, marker.Lineage);

    /// <summary>Where a copy stands.</summary>
    public CopyStanding StandingOf(Marker marker) =>
        StandingOf(marker.IsDerived ? run : marker.Run, marker.Lineage.Current.Id, marker.Step);

    /// <summary>Where a copy of Cairn stands of which only this is known.</summary>
    public CopyStanding StandingOf(string copyRun, int branch, long step) => copyRun != run ? CopyStanding.OfOtherRun : lineage.Contains(branch, step) ? CopyStanding.OfLine : CopyStanding.LeftBehind;

    /// <summary>Where a copy stands, complete or not.</summary>
    public CopyStanding StandingOf(CatalogEntry entry) => (entry.Marker ?? entry.Written) is { } marker ? StandingOf(marker) : CopyStanding.Unmarked;

    /// <summary>Whether a copy is complete and belongs to the line.</summary>
    public bool Holds(CatalogEntry entry) => entry.Marker is { } marker && StandingOf(marker) == CopyStanding.OfLine;
}
