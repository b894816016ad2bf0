using Cairn.Checkpoints;
using Cairn.Journal;
using Cairn.Policies;
using Cairn.State;
using Cairn.Telemetry;
using Microsoft.Extensions.Logging;

namespace Cairn.Starting;

/// <summary>Tells log, meters and journal how a run began.</summary>
internal static class StartAnnouncement
{
    public static void Make(StartedRun run, RunJournal journal, SaveSchedule schedule)
    {
        (ILogger logger, ResumeReport resume, TrainState train) = (run.Logger, run.Resume, run.Train);
        foreach (string part in resume.NotExact)
            logger.NotExact(part);
        // The same on all ranks.
        foreach (SettingDifference difference in run.Ranks.IsFirst ? resume.Settings : [])
            logger.SettingDiffers(difference.ToString());
        if (run.Options.Replicas > 0 && run is { Ranks.IsFirst: true, Fast.Hosts.Count: 1 })
            logger.OptionWarning($"Replicas is {run.Options.Replicas} and has no effect: all ranks see one fast folder, {run.Fast.Root}. It is for jobs of several hosts.");
        foreach (CheckpointFault fault in resume.PassedOver)
            logger.PassedOver(fault.ToString());
        if (run.Forked)
            logger.Branched(resume.Step, resume.Branch.Id, resume.Branch.Name);
        if (resume.IsFresh)
            logger.StartedFresh(run.Record.Id, run.Home.Files.Root);
        else
            logger.Resumed(run.Record.Id, resume.Step, resume.Source!, resume.Lost);
        if (resume is { IsFresh: true, LostSteps: > 0 })
            logger.LostAll(resume.Lost, run.Home.Files.Root);
        if (train.IsComplete)
            logger.AlreadyFinished(train.Step, train.FinishedBecause ?? $"its {Counted.Of(train.TotalSteps ?? train.Step, "step is", "steps are")} made");
        CairnTelemetry.Record(resume);
        new StartJournal(journal).Report(run.Record.Id, resume, run.Forked, train, run.Options, schedule, run.Ranks.Size);
    }
}
