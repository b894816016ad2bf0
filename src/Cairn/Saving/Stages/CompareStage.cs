using Cairn.Layouts;

namespace Cairn.Saving.Stages;

/// <summary>Each rank finds which of its files have the bytes of the copy before: they need no room, and are not written again.</summary>
internal sealed class CompareStage(ICopyTarget target) : ISaveStage
{
    public void Run(SaveInProgress save)
    {
        if (save.Former is not { } former)
            return;
        save.Work.Try(() =>
        {
            // Room is made for what is written: what is not there any more must be known before.
            foreach (PlannedFile file in save.Plan.Files)
            {
                if (former.Find(file) is { Identity: { } identity } && target.IdentityOf($"{former.Folder}/{file.Name}") != identity)
                    former.Forget(file.Name);
            }
            save.Unchanged = UnchangedFiles.Find(save.Plan.Files, former, save.Progressed, save.CancellationToken);
        });
    }
}
