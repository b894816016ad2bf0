namespace Cairn.Advice;

/// <summary>What may go wrong with a plan.</summary>
public enum PlanTrap
{
    /// <summary>Saving is switched off.</summary>
    NothingSaved,
    /// <summary>An interval is longer than the run.</summary>
    IntervalLongerThanRun,
    /// <summary>The last step is no multiple of the checkpoint interval; it is saved anyway.</summary>
    FinalStepOffGrid,
    /// <summary>More than half an hour passes without a save.</summary>
    SnapshotsTooRare,
    /// <summary>Saves are due faster than the disk can take them.</summary>
    FasterThanDisk,
    /// <summary>A save does not fit into the space.</summary>
    SpaceRunsOut,
    /// <summary>Saves cost more time than the budget allows.</summary>
    OverBudget,
    /// <summary>Failures come faster than saves become durable.</summary>
    NoProgress,
    /// <summary>So many checkpoints that nobody can want them.</summary>
    TooMany,
    /// <summary>Something else that the options themselves warn of.</summary>
    Options,
}

/// <summary>A trap that was found.</summary>
/// <param name="Trap">Which.</param>
/// <param name="IsHarmful">Whether something should be changed; otherwise it is good to know.</param>
/// <param name="Message">What it means, and what to do.</param>
public sealed record PlanWarning(PlanTrap Trap, bool IsHarmful, string Message);
