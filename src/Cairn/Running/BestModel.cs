using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Starting;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Running;

/// <summary>Gives the weights of the best checkpoint back to the model, once training is over. On all ranks together.</summary>
internal sealed class BestModel(StartedRun run, BestTracker best)
{
    private static readonly string[] Model = ["model"];

    /// <summary>The step whose weights stand in the model in the place of those of the last step; <see langword="null"/> when it holds its own.</summary>
    public long? Replaced { get; private set; }

    /// <summary>The best checkpoint.</summary>
    public BestCheckpoint? Known => best.Current;

    /// <summary>Reads the copy as a resume does, verifies it, and writes the part <c>model</c> in place. Nothing is changed before all is known to be good and to fit.</summary>
    /// <returns>What was loaded; <see langword="null"/> when no checkpoint is the best. Of the last step nothing need be read: the model holds it.</returns>
    /// <exception cref="CheckpointException">The copy is damaged or does not fit.</exception>
    public BestCheckpoint? Load()
    {
        if (best.Current is { } found && found.Step != run.Train.Step)
        {
            Load(found);
            Replaced = found.Step;
        }
        return best.Current;
    }

    /// <summary>Makes sure that the state is of one step.</summary>
    /// <exception cref="InvalidOperationException">The model was given other weights.</exception>
    public void CheckUntouched()
    {
        if (Replaced is { } step)
        {
            throw new InvalidOperationException(
                $"The model holds the weights of the best checkpoint, step {step}, while optimizer and counters are those of the end: what is trained on from there is not saved. To train on, start the run again (ResumeFrom = \"best\" and a Branch to go on from the best), or leave LoadBestModelAtEnd out.");
        }
    }

    private void Load(BestCheckpoint found)
    {
        IFileSource files = run.Home.Files;
        var places = new ResumePlaces(files, null, run.Home.OpenOther);
        var work = new CollectiveWork(run.Ranks, $"load the best, step {found.Step}", run.Options.RankTimeout);
        var entry = CatalogEntry.At(files, RunFolder.Checkpoint(found.Step), SaveKind.Checkpoint, found.Step);
        using var verifier = new CollectiveVerifier(run.Ranks, places, run.Options.RankTimeout, CancellationToken.None);
        work.Try(() => _ = entry.Marker);
        if (run.Ranks.IsFirst)
        {
            work.Try(() => Check(entry, run.Options.VerifyHashes ? verifier : null, found));
            if (run.Ranks.Size > 1)
                verifier.End();
        }
        else
        {
            verifier.Follow();
        }
        work.Try(() => Check(entry, null, found));
        work.Agree("verify");
        var source = new ResumeSource(files, entry.Folder, entry.Marker!, entry.Folder) { Entry = entry };
        new StateRestorer(run.Ranks, run.Plan, work, SettingsSource.Saved).Restore(source, () => source.Open(verifier.Hold(files, entry)), run.Parts, Model);
    }

    private void Check(CatalogEntry entry, CollectiveVerifier? verifier, BestCheckpoint found)
    {
        if ((entry.Fault ?? verifier?.Verify(run.Home.Files, entry)) is { } fault)
        {
            throw new CorruptCheckpointException($"The best checkpoint, step {found.Step} ({found.Metric}), cannot be used: {fault}. The model holds the weights of the last step, which is saved.") { Step = found.Step, Path = fault.Path };
        }
    }
}
