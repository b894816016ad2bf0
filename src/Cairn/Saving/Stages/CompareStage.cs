namespace Cairn.Saving.Stages;

/// <summary>Each rank finds which of its files have the bytes of the copy before: they need no room, and are not written again.</summary>
internal sealed class CompareStage : ISaveStage
{
    public void Run(SaveInProgress save)
    {
        if (save.Former is { } former)
            save.Work.Try(() => save.Unchanged = UnchangedFiles.Find(save.Plan.Files, former, save.Progressed, save.CancellationToken));
    }
}
