using Cairn.Layouts;

namespace Cairn.Saving.Stages;

/// <summary>Plans this rank's files to the byte, and refuses files that cannot be written and a marker that no reader would take. Nothing is written.</summary>
internal sealed class PlanStage : ISaveStage
{
    public void Run(SaveInProgress save)
    {
        save.Work.Try(() => save.Plan = FilePlan.Of(CheckpointLayouts.Of(save.Marker.Layout), save.Marker.Step, save.PlanFiles(), mayBeEmpty: save.IsShared));
        if (save.Ranks.IsFirst)
            save.Work.Try(() => _ = save.Marker.ToBytes());
    }
}
