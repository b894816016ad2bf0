namespace Cairn.Saving.Stages;

/// <summary>Plans this rank's files to the byte, and refuses a marker that no reader would take. Nothing is written.</summary>
internal sealed class PlanStage : ISaveStage
{
    public void Run(SaveInProgress save)
    {
        save.Work.Try(() => save.Files = save.PlanFiles());
        if (save.Ranks.IsFirst)
            save.Work.Try(() => _ = save.Marker.ToBytes());
    }
}
