namespace Cairn.Saving.Stages;

/// <summary>
/// One stage of a save. Every rank of a job runs all of them in the same order; what the first rank alone does, the stage knows. It finds what the stages before left in the
/// save, and leaves there what those after it need.
/// </summary>
internal interface ISaveStage
{
    /// <summary>Does its part of the save. What it throws ends the save.</summary>
    void Run(SaveInProgress save);
}
